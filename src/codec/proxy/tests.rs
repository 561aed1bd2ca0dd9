use proptest::prelude::*;

use super::*;

/// A header of this fixed part's end, with these bytes behind it.
fn header(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([version_and_command, family]);
    bytes.extend(length);
    bytes.extend(rest);
    bytes
}

/// Reads what it is asked to until there is an answer; says how much was read.
fn read(input: &[u8]) -> (Result<Beginning, ProxyHeaderError>, usize) {
    let mut have = 0;
    loop {
        match Beginning::parse(&input[..have]) {
            Ok(Beginning::Unfinished(more)) if have < input.len() => {
                have = input.len().min(have + more);
            }
            answer => return (answer, have),
        }
    }
}

fn is_header(
    client: Option<Client>,
    length: usize,
    rest: usize,
) -> Result<Beginning, ProxyHeaderError> {
    Ok(Beginning::Header {
        client,
        length,
        rest,
    })
}

const TCP4: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0xdc, 0x04, 0x1f, 0x90];

fn at(address: &str) -> Option<Client> {
    Some(Client::At(address.parse().unwrap()))
}

#[test]
fn a_client_at_an_address() {
    let input = [&header(0x21, 0x11, &TCP4)[..], b"GET / HTTP/1.1"].concat();
    assert_eq!(
        read(&input),
        (is_header(at("203.0.113.9:56324"), 28, 0), 28)
    );
    let addresses: Vec<u8> = (0..36).collect();
    let input = header(0x21, 0x21, &addresses);
    let client = at("[1:203:405:607:809:a0b:c0d:e0f]:8225");
    assert_eq!(read(&input), (is_header(client, 52, 0), 52));
}

#[test]
fn an_ipv4_address_is_one_in_whatever_form() {
    let mapped = [[0; 10].as_slice(), &[0xff, 0xff, 203, 0, 113, 9], &[0; 20]].concat();
    let (answer, _) = read(&header(0x21, 0x21, &mapped));
    assert_eq!(answer, is_header(at("203.0.113.9:0"), 52, 0));
}

#[test]
fn what_follows_the_addresses_is_told_and_not_read() {
    let input = header(0x21, 0x11, &[&TCP4[..], &[0; 300]].concat());
    assert_eq!(
        read(&input),
        (is_header(at("203.0.113.9:56324"), 28, 300), 28)
    );
}

#[test]
fn a_client_without_an_address() {
    for family in [0x00, 0x12, 0x22, 0x31, 0x32] {
        let (answer, _) = read(&header(0x21, family, &[7; 216]));
        assert_eq!(answer, is_header(Some(Client::Unknown), 16, 216));
    }
}

#[test]
fn a_proxy_that_speaks_for_itself() {
    // "The receiver must … discard the protocol block including the family which is ignored."
    for family in [0x00, 0x11, 0x21, 0xff] {
        assert_eq!(
            read(&header(0x20, family, &[])).0,
            is_header(None, 16, 0),
            "{family}"
        );
    }
    assert_eq!(read(&header(0x20, 0x11, &TCP4)).0, is_header(None, 16, 12));
}

#[test]
fn what_is_no_header() {
    for input in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\r\nGET / HTTP/1.1\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n",
        b"\n",
        b"\r\n\r\n\0\r\nQUIT!\x21\x11\0\x0c",
    ] {
        assert_eq!(read(input).0, Ok(Beginning::Other), "{input:?}");
    }
}

#[test]
fn what_is_a_bad_one() {
    for (input, why) in [
        (header(0x11, 0x11, &TCP4), "version"),
        (header(0x31, 0x11, &TCP4), "version"),
        (header(0x22, 0x11, &TCP4), "command"),
        (header(0x21, 0x13, &TCP4), "family"),
        (header(0x21, 0x41, &TCP4), "family"),
        (header(0x21, 0x11, &TCP4[..11]), "too short"),
        (header(0x21, 0x21, &[0; 35]), "too short"),
        (header(0x21, 0x11, &[0; MAX_LENGTH + 1]), "longer"),
        (header(0x20, 0x00, &[0; MAX_LENGTH + 1]), "longer"),
    ] {
        let (answer, have) = read(&input);
        let error = answer.expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(have, 16, "more was read than what tells");
    }
}

proptest! {
    /// However much of it has come: the answer is the same, and never that it is something else.
    #[test]
    fn the_beginning_of_a_header_is_one(
        command in 0x20..=0x21u8,
        family in prop::sample::select(vec![0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32]),
        rest in prop::collection::vec(any::<u8>(), 36..80),
    ) {
        let input = header(command, family, &rest);
        let (whole, have) = read(&input);
        let Ok(Beginning::Header { length, rest, .. }) = whole else {
            panic!("{whole:?}");
        };
        prop_assert_eq!(length + rest, input.len());
        prop_assert_eq!(have, length);
        prop_assert!(length <= MAX_READ);
        for end in 0..length {
            let Ok(Beginning::Unfinished(more)) = Beginning::parse(&input[..end]) else {
                panic!("at {end}");
            };
            prop_assert!((1..=length - end).contains(&more));
        }
    }

    #[test]
    fn anything_is_answered(input: Vec<u8>) {
        let (answer, have) = read(&input);
        prop_assert!(have <= MAX_READ);
        prop_assert_eq!(answer, Beginning::parse(&input[..have]));
    }
}
