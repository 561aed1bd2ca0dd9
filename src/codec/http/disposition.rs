//! `Content-Disposition` (RFC 6266): whether a browser shows a file or saves it, and under which name.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but what may stand in an extended value as it is (RFC 8187 section 3.2.1, `attr-char`).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The value of the field for a file of this name, which holds no control characters.
pub fn of(name: &str, is_inline: bool) -> String {
    let kind = if is_inline { "inline" } else { "attachment" };
    // Appendix D: what stands in a quoted string is not escaped, as not all clients understand that, nor is a percent sign
    // kept, which some decode.
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%');
    let plain: String = name
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    if plain == name {
        return format!("{kind}; filename=\"{plain}\"");
    }
    // Clients that know the second form use it (section 4.3).
    let encoded = utf8_percent_encode(name, ENCODED);
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_any_language() {
        assert_eq!(
            of("report.pdf", false),
            "attachment; filename=\"report.pdf\""
        );
        assert_eq!(of("my cat.png", true), "inline; filename=\"my cat.png\"");
        assert_eq!(
            of("na\u{ef}ve \u{20ac}.txt", false),
            "attachment; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt"
        );
        assert_eq!(
            of("a\"b\\c%41.txt", false),
            "attachment; filename=\"a_b_c_41.txt\"; filename*=UTF-8''a%22b%5Cc%2541.txt"
        );
    }

    proptest! {
        /// A name is found again, and none leaves its quotes or its field.
        #[test]
        fn every_name_arrives(name in "[^\\p{Cc}]{1,40}") {
            let field = of(&name, false);
            prop_assert!(field.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            prop_assert_eq!(field.matches('"').count(), 2);
            let found = match field.split_once("filename*=UTF-8''") {
                Some((_, encoded)) => percent_decode_str(encoded).decode_utf8().unwrap().into_owned(),
                None => field.split('"').nth(1).unwrap().to_owned(),
            };
            prop_assert_eq!(found, name);
        }
    }
}
