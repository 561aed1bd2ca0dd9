//! A request's body: no panic, limits hold, no more is held than has arrived, any split gives the same, and what is read
//! in chunks here is read in the same chunks by httparse.

use httparse::Status;
use parlor::codec::http::body::Decoder;
use parlor::codec::http::request::BodyLength;

const MAX_LENGTH: usize = 100;

/// The body and where it ends, `None` while it is not whole; or the status of its refusal.
type Outcome = Result<Option<(Vec<u8>, usize)>, u16>;

/// The first byte says how long the body is, the next ones where the input is cut.
pub(crate) fn check(data: &[u8]) {
    let (choices, input) = data.split_at(data.len().min(4));
    let length = match choices.first() {
        Some(&length @ 128..) => BodyLength::Counted(u64::from(length - 128)),
        _ => BodyLength::Chunked,
    };
    let whole = decode(length, input, &[input.len()]);
    assert_eq!(decode(length, input, &super::cuts(input, choices)), whole);
    let bytes: Vec<usize> = (0..=input.len()).collect();
    assert_eq!(decode(length, input, &bytes), whole);
    if let Ok(Some((body, end))) = whole {
        match length {
            BodyLength::Counted(length) => {
                assert_eq!(
                    (body.len() as u64, body.as_slice()),
                    (length, &input[..end])
                );
            }
            BodyLength::Chunked => assert_eq!(with_httparse(input), (body, end)),
        }
    }
}

fn decode(length: BodyLength, input: &[u8], cuts: &[usize]) -> Outcome {
    let status = |problem: parlor::codec::http::response::Problem| problem.status.code;
    let mut decoder = Decoder::new(length, MAX_LENGTH).map_err(status)?;
    let mut from = 0;
    for &end in cuts {
        let taken = decoder.decode(&input[from..end]).map_err(status)?;
        assert!(decoder.held_bytes() <= 2 * end + 8, "more than has arrived");
        if let Some(taken) = taken {
            let body = decoder.into_body();
            assert!(body.len() <= MAX_LENGTH);
            return Ok(Some((body, from + taken)));
        }
        from = end;
    }
    Ok(None)
}

/// The body in chunks that `input` begins with, which is known to be good, and where it ends.
fn with_httparse(input: &[u8]) -> (Vec<u8>, usize) {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Ok(Status::Complete((line, size))) = httparse::parse_chunk_size(&input[at..]) else {
            panic!("no chunk at {at}");
        };
        at += line;
        if size == 0 {
            break;
        }
        let end = at + size as usize;
        body.extend_from_slice(&input[at..end]);
        assert_eq!(&input[end..end + 2], b"\r\n");
        at = end + 2;
    }
    while !input[at..].starts_with(b"\r\n") {
        let line = input[at..].windows(2).position(|pair| pair == b"\r\n");
        at += line.expect("a trailer ends") + 2;
    }
    (body, at + 2)
}
