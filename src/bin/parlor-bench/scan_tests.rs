use super::*;

const SIZE: usize = 30;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) offsets: Vec<u64>,
    pub(crate) foreign: usize,
    pub(crate) events: Vec<String>,
    pub(crate) control: Vec<(u8, Vec<u8>)>,
}

impl Sink for Found {
    fn message(&mut self, stamp: &[u8; STAMP_BYTES]) {
        self.messages.push(stamp.to_vec());
    }
    fn foreign(&mut self) {
        self.foreign += 1;
    }
    fn offset(&mut self, offset: u64) {
        self.offsets.push(offset);
    }
    fn event(&mut self, event: Event<'_>) {
        self.events.push(match event {
            Event::Asks(bytes) => format!("asks {}", String::from_utf8(unmasked(&bytes)).unwrap()),
            Event::Entered => "entered".into(),
            Event::Joined(json) => format!("joined {}", String::from_utf8_lossy(json)),
            Event::Refused(why) => format!("refused {why}"),
        });
    }
    fn control(&mut self, opcode: u8, payload: &[u8]) {
        self.control.push((opcode, payload.to_vec()));
    }
}

fn message(number: usize) -> Vec<u8> {
    format!("{number:0>SIZE$}")
        .into_bytes()
        .into_iter()
        .rev()
        .collect()
}

/// The text of a client's frame, or what is none as it is.
pub(crate) fn unmasked(sent: &[u8]) -> Vec<u8> {
    if sent.first() != Some(&0x81) {
        return sent.to_vec();
    }
    let (head, payload) = sent.split_at(header_length(sent[1]) + 4);
    let mask = &head[head.len() - 4..];
    payload
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}

pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    if payload.len() < 126 {
        frame.push(payload.len() as u8);
    } else {
        frame.push(126);
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    frame.extend_from_slice(payload);
    frame
}

/// Whole, joined, fragmented, binary, foreign and control frames, and what is to be found in them.
fn stream() -> (Vec<u8>, Found) {
    let joined: Vec<u8> = (2..9).map(message).collect::<Vec<_>>().join(&b'\n');
    let long = [message(20), message(21)].join(&b'\n');
    let bytes = [
        frame(0x81, &message(0)),
        frame(0x81, &message(1)),
        frame(0x81, &joined),
        frame(0x89, b"are you there"),
        frame(0x81, b"a word from somebody else"),
        frame(0x82, &message(9)),
        frame(0x01, &long[..3]),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x00, &long[3..40]),
        frame(0x80, &long[40..]),
        frame(0x81, &[message(30), b"tail".to_vec()].concat()),
        frame(0x81, &[message(31), b"\nshort".to_vec()].concat()),
        frame(0x81, b""),
        frame(0x81, &message(32)),
        frame(0x88, &[3, 232]),
    ]
    .concat();
    let numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 31, 32];
    let found = Found {
        messages: numbers
            .iter()
            .map(|&number| message(number)[..STAMP_BYTES].to_vec())
            .collect(),
        foreign: 4,
        control: vec![
            (9, b"are you there".to_vec()),
            (10, Vec::new()),
            (8, vec![3, 232]),
        ],
        ..Found::default()
    };
    (bytes, found)
}

fn scan_cut(bytes: &[u8], mut next_cut: impl FnMut() -> usize) -> Found {
    let (shape, mut scanner, mut found) = (Shape::new(SIZE), Scanner::default(), Found::default());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(next_cut().min(rest.len()));
        scanner.scan(&shape, piece, &mut found).unwrap();
        rest = after;
    }
    found
}

#[test]
fn every_kind_of_frame_is_found() {
    let (bytes, expected) = stream();
    assert_eq!(scan_cut(&bytes, || usize::MAX), expected);
}

#[test]
fn any_split_gives_the_same() {
    let (bytes, expected) = stream();
    for length in 1..=bytes.len() {
        assert_eq!(
            scan_cut(&bytes, || length),
            expected,
            "in pieces of {length}"
        );
    }
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        assert_eq!(
            scan_cut(&bytes, || random.usize(1..80)),
            expected,
            "with seed {seed}"
        );
    }
}

#[test]
fn sizes_at_the_borders_of_the_length_field() {
    for size in [STAMP_BYTES, 125, 126, 65_535, 65_536] {
        let shape = Shape::new(size);
        let payload = vec![b'x'; size];
        let bytes = [
            shape.header.clone(),
            payload.clone(),
            shape.header.clone(),
            payload,
        ]
        .concat();
        for cut in [1, 3, 11, size, bytes.len()] {
            let (mut scanner, mut found) = (Scanner::default(), Found::default());
            for piece in bytes.chunks(cut) {
                scanner.scan(&shape, piece, &mut found).unwrap();
            }
            assert_eq!(found.messages.len(), 2, "size {size} in pieces of {cut}");
        }
    }
}

#[test]
fn what_a_server_must_not_send_is_an_error() {
    for bad in [
        &[0xc1, 0x00][..],         // RSV1 without an extension
        &[0x81, 0x80, 1, 2, 3, 4], // masked
        &[0x80, 0x00],             // a continuation of nothing
        &[0x83, 0x00],             // an unknown opcode
        &[0x09, 0x00],             // a fragmented ping
        &[0x89, 126, 0, 126],      // a ping too long
        &[0x01, 0x00, 0x81, 0x00], // a new message within another
    ] {
        let result = Scanner::default().scan(&Shape::new(SIZE), bad, &mut Found::default());
        assert!(result.is_err(), "{bad:?}");
    }
}
