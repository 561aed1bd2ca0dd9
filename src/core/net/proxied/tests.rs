use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::codec::proxy::SIGNATURE;

/// Bytes come in parts, each announced by an event, and after the last of them the end.
struct Kernel {
    here: VecDeque<u8>,
    later: VecDeque<Vec<u8>>,
}

impl Kernel {
    fn new(parts: Vec<Vec<u8>>) -> Self {
        Self {
            here: VecDeque::new(),
            later: parts.into(),
        }
    }

    /// The next event, after which nothing is told again of what had come before.
    fn go_on(&mut self) {
        assert!(self.here.is_empty(), "{} bytes are left", self.here.len());
        self.here.extend(self.later.pop_front().unwrap_or_default());
    }
}

impl Read for Kernel {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.here.is_empty() && !self.later.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.here.read(out)
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

fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

/// 203.0.113.9, port 80.
const ADDRESSES: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0, 80, 0, 81];

fn named() -> Option<Client> {
    Some(Client::At("203.0.113.9:80".parse().unwrap()))
}

fn socket(parts: Vec<Vec<u8>>) -> Proxied<Kernel> {
    Proxied::trusted(Kernel::new(parts))
}

/// Reads as the server does: a read that came short is the last one until the next event.
fn read_all(socket: &mut Proxied<Kernel>, size: usize) -> io::Result<Vec<u8>> {
    let (mut seen, mut buffer) = (Vec::new(), vec![0; size]);
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return Ok(seen),
            Ok(count) => {
                seen.extend_from_slice(&buffer[..count]);
                if count < size {
                    socket.get_mut().go_on();
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => socket.get_mut().go_on(),
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn a_plain_one_reads_headers_like_anything_else() {
    let bytes = header(0x21, 0x11, &ADDRESSES);
    let mut socket = Proxied::plain(Kernel::new(vec![bytes.clone()]));
    assert_eq!(read_all(&mut socket, 64).unwrap(), bytes);
    assert_eq!(socket.client(), None);
}

#[test]
fn the_end_within_a_header_is_the_end() {
    let whole = header(0x21, 0x11, &[&ADDRESSES[..], &[0; 600]].concat());
    for end in 0..whole.len() {
        let mut socket = socket(vec![whole[..end].to_vec()]);
        assert_eq!(read_all(&mut socket, 64).unwrap(), b"", "{end}");
        assert_eq!(socket.client(), None);
    }
}

#[test]
fn a_bad_header_is_an_error_that_says_so() {
    let error = read_all(&mut socket(vec![header(0x2f, 0x11, &ADDRESSES)]), 64).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(
        error.to_string().starts_with("bad PROXY header: "),
        "{error}"
    );
}

#[test]
fn one_that_says_nothing_costs_no_memory_afterwards() {
    for first in [header(0x20, 0x11, &ADDRESSES), b"GET".to_vec()] {
        let mut socket = socket(vec![[&first[..], b" and so on"].concat()]);
        read_all(&mut socket, 64).unwrap();
        assert!(socket.header.is_none());
    }
}

#[test]
fn it_is_no_larger_than_a_socket_and_a_pointer() {
    assert!(size_of::<Proxied<u32>>() <= 16);
}

proptest! {
    /// However it arrives, and however little is read at once: the header is gone, and what follows is whole.
    #[test]
    fn any_split_gives_the_same(
        kind in 0..6usize,
        beyond in prop::sample::select(vec![0, 1, 511, 512, 700]),
        body: Vec<u8>,
        cuts in prop::collection::vec(1..40usize, 0..30),
        size in 1..100usize,
    ) {
        let with = |addresses: &[u8]| [addresses, &vec![7; beyond]].concat();
        let (head, client) = match kind {
            0 => (header(0x21, 0x11, &with(&ADDRESSES)), named()),
            1 => (header(0x21, 0x31, &with(&[])), Some(Client::Unknown)),
            2 => (header(0x20, 0x00, &with(&[])), None),
            3 => (b"GET / HTTP/1.1\r\n\r\n".to_vec(), None),
            4 => (b"\r\n\r\nGET / HTTP/1.1".to_vec(), None),
            _ => (b"hi".to_vec(), None),
        };
        let is_header = head.starts_with(&SIGNATURE);
        let bytes = [&head[..], &body].concat();
        let mut rest = &bytes[..];
        let mut parts = Vec::new();
        for cut in cuts {
            let (part, after) = rest.split_at(cut.min(rest.len()));
            parts.push(part.to_vec());
            rest = after;
        }
        parts.push(rest.to_vec());
        let mut socket = socket(parts);
        let seen = read_all(&mut socket, size).unwrap();
        prop_assert_eq!(&seen[..], if is_header { &body[..] } else { &bytes[..] });
        prop_assert_eq!(socket.client(), client);
    }
}
