//! A datagram: no panic, and what is read is what was sent, but for one end of line.

use parlor::codec::datagram::{DatagramError, parse, parse_with_token};
use parlor::codec::target::Target;
use parlor::limits::MAX_KEY;

pub(crate) fn check(data: &[u8]) {
    check_token(data);
    match parse(data) {
        Ok(datagram) => {
            let Target {
                room,
                key,
                freshness,
            } = datagram.target;
            assert!(!room.contains([' ', '/']) && !datagram.text.is_empty());
            let key = key.map_or(String::new(), |key| format!("/{key}"));
            let target = format!("{room}{key}");
            let said = data.strip_prefix(target.as_bytes()).expect("it was sent");
            let end = said.iter().position(|byte| *byte == b' ');
            let (fresh, said) = said.split_at(end.expect("a space was sent"));
            assert_eq!(fresh.first(), (!freshness.is_none()).then_some(&b'?'));
            let text = format!(" {}", datagram.text);
            let end = said.strip_prefix(text.as_bytes()).expect("it was sent");
            assert!(matches!(end, b"" | b"\n" | b"\r\n"));
            assert!(!end.is_empty() || !text.ends_with('\n'));
        }
        Err(DatagramError::BadKey) => {
            let said = str::from_utf8(data).expect("it is UTF-8");
            let target = said.split(' ').next().expect("there is a first part");
            assert!(target.ends_with('/') || target.contains('?') || target.len() > MAX_KEY);
        }
        Err(DatagramError::NotUtf8) => assert!(str::from_utf8(data).is_err()),
        Err(DatagramError::NoText) => {
            let said = str::from_utf8(data).expect("it is UTF-8");
            let text = said.split_once(' ').map_or("", |(_, text)| text);
            assert!(matches!(text, "" | "\n" | "\r\n"));
        }
    }
}

/// With a token in front it is the same datagram.
fn check_token(data: &[u8]) {
    let Ok((token, datagram)) = parse_with_token(data) else {
        return;
    };
    assert!(!token.contains(' '));
    assert_eq!(parse(&data[token.len() + 1..]), Ok(datagram));
}
