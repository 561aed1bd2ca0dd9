//! The query of a request's target: `field=value` pairs as HTML forms have them, each field known and at most once.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::response::{Problem, Status};

/// Of an unknown field no more characters than this are shown back.
const SHOWN: usize = 40;

/// Checks a query of which these fields are known.
///
/// # Errors
/// 400 for what is not UTF-8 once it is decoded, a percent sign without two digits, a field that is not known, with the
/// one that may be meant, and one that stands there twice. Otherwise two values could be taken for the same, or one be
/// lost.
pub fn check(query: &str, known: &[&str]) -> Result<(), Problem> {
    check_with_list(query, known, "")
}

/// The same where one of the fields may stand there several times.
///
/// # Errors
/// As [`check`], but for that field.
pub fn check_with_list(query: &str, known: &[&str], list: &str) -> Result<(), Problem> {
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (field, value) = pair.split_once('=').unwrap_or((pair, ""));
        let field = decode(field)?;
        decode(value)?;
        if !known.contains(&&*field) {
            return Err(unknown(&field, known));
        }
        if field != list && seen.contains(&field) {
            return Err(refuse(format!(
                "the query has {field} twice; once is enough"
            )));
        }
        seen.push(field);
    }
    Ok(())
}

/// The value of the first field of this name, decoded; empty for one without a value.
pub fn value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(field, _)| field == name)
        .map(|(_, value)| value)
}

/// The values of all fields of this name, decoded.
pub fn values<'a>(query: &'a str, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes())
        .filter(move |(field, _)| field == name)
        .map(|(_, value)| value)
}

fn decode(text: &str) -> Result<Cow<'_, str>, Problem> {
    let is_escape = |part: &str| {
        let digits = part.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        let detail =
            "a % in the query needs two hexadecimal digits behind it; the sign itself is %25";
        return Err(refuse(detail));
    }
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| refuse("the query is not UTF-8; in the query a letter like \u{e9} is %C3%A9"))
}

fn unknown(field: &str, known: &[&str]) -> Problem {
    let shown: String = field.chars().take(SHOWN).collect();
    let advice = match nearest(&shown, known) {
        Some(meant) => format!("did you mean {meant}?"),
        None if known.is_empty() => "there are none here".to_owned(),
        None => format!("here are: {}", known.join(", ")),
    };
    refuse(format!("there is no field {shown} in the query; {advice}"))
}

/// The known name that is spelt most like this, if one is at all.
pub(in crate::codec) fn nearest<'k>(field: &str, known: &[&'k str]) -> Option<&'k str> {
    let field = field.to_lowercase();
    let distance = |known: &str| strsim::osa_distance(&field, &known.to_lowercase());
    let (distance, name) = known.iter().map(|name| (distance(name), *name)).min()?;
    (distance <= field.len().max(name.len()) / 2).then_some(name)
}

fn refuse(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::detailed(Status::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [&str; 4] = ["key", "retain", "dedup", "ephemeral"];

    fn detail(query: &str) -> String {
        let problem = check(query, &KNOWN).unwrap_err();
        assert_eq!(problem.status, Status::BAD_REQUEST);
        problem.detail.into_owned()
    }

    #[test]
    fn fields_that_are_known() {
        for query in [
            "",
            "key=a%26b+c&retain",
            "&&retain=&",
            "%6Bey=%C3%A9",
            "key=a=b",
            "dedup=%00",
            "key=%25FF",
        ] {
            assert_eq!(check(query, &KNOWN), Ok(()), "{query}");
        }
        let query = "key=a%26b+c&retain&%6Bind=%C3%A9";
        assert_eq!(value(query, "key").as_deref(), Some("a&b c"));
        assert_eq!(value(query, "retain").as_deref(), Some(""));
        assert_eq!(value(query, "kind").as_deref(), Some("\u{e9}"));
        assert_eq!(value(query, "dedup"), None);
    }

    #[test]
    fn what_is_not_utf_8() {
        for query in [
            "dedup=%FF",
            "dedup=%FE",
            "key=a%C3",
            "key=%ED%A0%80",
            "%FF=a",
            "retain=%80",
        ] {
            assert!(detail(query).contains("not UTF-8"), "{query}");
        }
        for query in ["key=100%", "key=%zz", "key=%2", "k%=a"] {
            assert!(detail(query).contains("%25"), "{query}");
        }
    }

    #[test]
    fn fields_that_are_not_known() {
        for (query, meant) in [
            ("retian&key=k", "did you mean retain?"),
            ("Key=k", "did you mean key?"),
            ("KEYS=k", "did you mean key?"),
            ("dedupe=1", "did you mean dedup?"),
            ("x=1", "here are: key, retain, dedup, ephemeral"),
            ("=1", "here are: key, retain, dedup, ephemeral"),
        ] {
            assert!(detail(query).ends_with(meant), "{query}: {}", detail(query));
        }
        assert!(
            check("x", &[])
                .unwrap_err()
                .detail
                .ends_with("there are none here")
        );
        let long = detail(&"x".repeat(4000));
        assert!(long.len() < 150, "{long}");
    }

    #[test]
    fn fields_that_stand_there_twice() {
        for query in ["key=a&key=b", "key=a&key=a", "retain&%72etain"] {
            assert!(detail(query).contains(" twice"), "{query}");
        }
    }

    #[test]
    fn a_list_is_a_field_that_stands_there_several_times() {
        let query = "key=a&retain&key=b%2A";
        assert_eq!(check_with_list(query, &KNOWN, "key"), Ok(()));
        assert!(values(query, "key").eq(["a", "b*"]));
        assert!(check_with_list(query, &KNOWN, "retain").is_err());
    }

    proptest! {
        /// What passes means to the server what was sent: no two queries give one value.
        #[test]
        fn what_passes_is_what_was_sent(bytes in prop::collection::vec(any::<u8>(), 0..9)) {
            let encoded: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
            let query = format!("key={encoded}");
            match check(&query, &KNOWN) {
                Ok(()) => prop_assert_eq!(value(&query, "key").unwrap().into_owned().into_bytes(), bytes),
                Err(_) => prop_assert!(str::from_utf8(&bytes).is_err()),
            }
        }
    }
}
