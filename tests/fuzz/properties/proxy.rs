//! What a trusted proxy says first: no panic, any split gives the same, what is no header is passed on to the last byte,
//! and who is named is whom the crate ppp reads.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use parlor::codec::proxy::{Client, MAX_LENGTH, SIGNATURE};
use parlor::core::{Proxied, Stream};
use ppp::v2::{Addresses, Command, Header, Protocol};

/// What is behind the header, and who was named; `None` for an error.
type Outcome = Option<(Vec<u8>, Option<Client>)>;

/// The first bytes say where the input is cut, and the first of them whether a signature is put in front of it.
pub(crate) fn check(data: &[u8]) {
    let (choices, rest) = data.split_at(data.len().min(4));
    let is_signed = choices.first().is_some_and(|choice| choice % 2 == 0);
    let signature = if is_signed { &SIGNATURE[..] } else { b"" };
    let input = [signature, rest].concat();
    let whole = read(&input, &[input.len()]);
    assert_eq!(read(&input, &super::cuts(&input, choices)), whole);
    let bytes: Vec<usize> = (0..=input.len()).collect();
    assert_eq!(read(&input, &bytes), whole);
    match Header::try_from(&input[..]) {
        Ok(header) => check_header(&input, &header, whole),
        // Nothing but a whole signature begins a header.
        Err(_) if !input.starts_with(&SIGNATURE) => {
            // The beginning of one may be followed by the rest until the end has come.
            let expected = if SIGNATURE.starts_with(&input) {
                &[]
            } else {
                &input[..]
            };
            assert_eq!(whole, Some((expected.to_vec(), None)));
        }
        Err(_) => {
            let named = whole.and_then(|(_, client)| client);
            assert!(
                !matches!(named, Some(Client::At(_))),
                "{named:?} is named by nobody"
            );
        }
    }
}

fn check_header(input: &[u8], header: &Header<'_>, outcome: Outcome) {
    let is_known = header.protocol != Protocol::Unspecified || input[13] == 0;
    let is_known = is_known && !(input[13] < 0x10 && input[13] > 0);
    let is_short = header.len() - 16 <= MAX_LENGTH;
    let is_local = header.command == Command::Local;
    if !is_short || !(is_known || is_local) {
        return assert_eq!(outcome, None);
    }
    let (body, client) = outcome.expect("ppp reads it");
    assert_eq!(body, &input[header.len()..]);
    let source = match header.addresses {
        Addresses::IPv4(it) => Some(SocketAddr::from((it.source_address, it.source_port))),
        Addresses::IPv6(it) => Some((it.source_address.to_canonical(), it.source_port).into()),
        _ => None,
    };
    let source = source.filter(|_| header.protocol == Protocol::Stream);
    let expected = (!is_local).then_some(source.map_or(Client::Unknown, Client::At));
    assert_eq!(client, expected);
}

fn read(input: &[u8], cuts: &[usize]) -> Outcome {
    let mut kernel = Kernel::default();
    let mut from = 0;
    for &end in cuts {
        kernel.parts.push_back(input[from..end].to_vec());
        from = end;
    }
    let mut socket = Proxied::trusted(kernel);
    let (mut seen, mut space) = (Vec::new(), [0; 64]);
    loop {
        match socket.read(&mut space) {
            Ok(0) => return Some((seen, socket.client())),
            Ok(count) => seen.extend_from_slice(&space[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidData);
                return None;
            }
        }
    }
}

/// Bytes that come in parts, between which there are none.
#[derive(Default)]
struct Kernel {
    parts: VecDeque<Vec<u8>>,
}

impl Read for Kernel {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let Some(part) = self.parts.front_mut() else {
            return Ok(0);
        };
        if part.is_empty() {
            self.parts.pop_front();
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = space.len().min(part.len());
        space[..count].copy_from_slice(&part[..count]);
        part.drain(..count);
        Ok(count)
    }
}

impl Write for Kernel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Kernel {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}
