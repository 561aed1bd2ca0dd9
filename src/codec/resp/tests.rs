use proptest::prelude::*;

use super::*;

/// A reply as Redis writes it.
fn written(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Simple(text) => format!("+{text}\r\n").into_bytes(),
        Reply::Error(text) => format!("-{text}\r\n").into_bytes(),
        Reply::Integer(number) => format!(":{number}\r\n").into_bytes(),
        Reply::Nil => b"$-1\r\n".to_vec(),
        Reply::Bulk(bytes) => {
            let mut out = format!("${}\r\n", bytes.len()).into_bytes();
            out.extend(bytes);
            out.extend(b"\r\n");
            out
        }
        Reply::Array(replies) => {
            let mut out = format!("*{}\r\n", replies.len()).into_bytes();
            out.extend(replies.iter().flat_map(written));
            out
        }
    }
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let leaf = prop_oneof![
        "[^\r\n]{0,20}".prop_map(|text| Reply::Simple(text.into())),
        "[A-Z]{1,9} [^\r\n]{0,20}".prop_map(|text| Reply::Error(text.into())),
        any::<i64>().prop_map(Reply::Integer),
        Just(Reply::Nil),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Reply::Bulk),
    ];
    leaf.prop_recursive(5, 60, 6, |reply| {
        prop::collection::vec(reply, 0..6).prop_map(Reply::Array)
    })
}

proptest! {
    #[test]
    fn a_reply_is_read_once_all_of_it_has_come(reply in any_reply(), more in any::<Vec<u8>>()) {
        let mut bytes = written(&reply);
        let length = bytes.len();
        for end in 0..length {
            prop_assert_eq!(parse(&bytes[..end]), Ok(None));
        }
        bytes.extend(more);
        prop_assert_eq!(parse(&bytes), Ok(Some((reply, length))));
    }

    #[test]
    fn a_command_is_an_array_of_its_words(words in prop::collection::vec(any::<Vec<u8>>(), 1..6)) {
        let mut bytes = Vec::new();
        write_command(words.iter().map(|word| &**word), &mut bytes);
        let length = bytes.len();
        let expected = Reply::Array(words.into_iter().map(Reply::Bulk).collect());
        prop_assert_eq!(parse(&bytes), Ok(Some((expected, length))));
    }

    #[test]
    fn what_is_no_reply_is_an_error_and_never_a_panic(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "[*$+:-]?[0-9*$\r\n-]{0,40}".prop_map(String::into_bytes),
        ]
    ) {
        if let Ok(Some((_, length))) = parse(&bytes) {
            prop_assert!(length <= bytes.len());
            prop_assert_eq!(parse(&bytes[..length - 1]), Ok(None));
        }
    }
}

#[test]
fn wrong_input_is_told_by_its_kind() {
    for (bytes, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "unknown sign"),
        (b"\r\n", "unknown sign"),
        (b"$x\r\n", "no number"),
        (b"*-2\r\n", "no number"),
        (b"$18446744073709551615\r\n", "too great"),
        (b"$1\r\nabc", "longer than was said"),
        (b":one\r\n", "no Redis"),
    ] {
        let error = parse(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{bytes:?}: {error}");
    }
}

#[test]
fn nothing_is_not_the_same_as_none() {
    assert_eq!(parse(b"$-1\r\n"), Ok(Some((Reply::Nil, 5))));
    assert_eq!(parse(b"*-1\r\n"), Ok(Some((Reply::Nil, 5))));
    assert_eq!(parse(b"$0\r\n\r\n"), Ok(Some((Reply::Bulk(vec![]), 6))));
    assert_eq!(parse(b"*0\r\n"), Ok(Some((Reply::Array(vec![]), 4))));
}

#[test]
fn arrays_are_read_to_a_depth() {
    let nested = |depth: usize| [&b"*1\r\n".repeat(depth)[..], b":1\r\n"].concat();
    assert!(matches!(parse(&nested(MAX_DEPTH - 1)), Ok(Some(_))));
    // It would overflow the stack if it were followed.
    let error = parse(&nested(1_000_000)).unwrap_err().to_string();
    assert!(error.contains("deeper"), "{error}");
}

#[test]
fn a_count_that_is_said_takes_no_memory() {
    assert_eq!(parse(b"*9223372036854775807\r\n:1\r\n"), Ok(None));
    assert_eq!(parse(b"$9223372036854775807\r\nabc"), Ok(None));
}

#[test]
fn a_line_has_an_end() {
    let line = |length: usize| [b"+", &b"x".repeat(length)[..]].concat();
    assert_eq!(parse(&line(MAX_LINE - 2)), Ok(None));
    let error = parse(&line(MAX_LINE)).unwrap_err().to_string();
    assert!(error.contains("longer"), "{error}");
}

/// What `redis-cli --cluster keyslot` answers.
#[test]
fn keys_have_the_slots_of_redis_cluster() {
    assert_eq!(key_slot(b"foo"), 12_182);
    assert_eq!(key_slot(b"{foo}.bar"), 12_182);
    assert_eq!(key_slot(b""), 0);
}
