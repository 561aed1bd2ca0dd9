//! permessage-deflate: no panic, never more inflated than is allowed, what we deflate we and flate2 inflate, and what is
//! agreed on was offered.

use flate2::{Decompress, FlushDecompress};
use parlor::codec::ws::close::CloseReason;
use parlor::codec::ws::deflate::{Deflater, Effort, Inflater, negotiate};

const MAX_MESSAGE: usize = 4096;
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The first byte decides what the rest is.
pub(crate) fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => check_inflate(rest),
        1 => check_deflate(rest, kind / 3 % 2 == 1),
        _ => check_negotiation(rest),
    }
}

fn check_inflate(payload: &[u8]) {
    let mut inflater = Inflater::default();
    let result = inflater.inflate(payload, MAX_MESSAGE).map(<[u8]>::to_vec);
    // Nothing is left from one message for the next.
    assert_eq!(
        inflater.inflate(payload, MAX_MESSAGE),
        result.as_deref().map_err(|it| *it)
    );
    match result {
        Ok(message) => {
            assert!(message.len() <= MAX_MESSAGE);
            assert_eq!(inflater.inflate(payload, message.len()), Ok(&message[..]));
            if let Some(less) = message.len().checked_sub(1) {
                assert_eq!(inflater.inflate(payload, less), Err(CloseReason::TooBig));
            }
            check_deflate(&message, false);
        }
        Err(reason) => assert!(matches!(
            reason,
            CloseReason::TooBig | CloseReason::InvalidDeflate
        )),
    }
}

fn check_deflate(message: &[u8], is_narrow: bool) {
    let mut deflater = Deflater::default();
    for effort in [Effort::Fast, Effort::Best] {
        if let Some(small) = deflater.deflate(message, is_narrow, effort) {
            check_deflated(message, small, is_narrow);
        }
    }
}

fn check_deflated(message: &[u8], small: &[u8], is_narrow: bool) {
    assert!(small.len() < message.len());
    let mut inflater = Inflater::default();
    assert_eq!(inflater.inflate(small, message.len()), Ok(message));
    // Another's window is no larger than was agreed on.
    let bits = if is_narrow { 9 } else { 15 };
    let mut out = Vec::with_capacity(message.len() + 1);
    Decompress::new_with_window_bits(false, bits)
        .decompress_vec(&[small, &TAIL].concat(), &mut out, FlushDecompress::Sync)
        .expect("it is DEFLATE");
    assert_eq!(out, message);
}

/// Header fields, one a line.
fn check_negotiation(fields: &[u8]) {
    let Some(agreement) = negotiate(fields.split(|byte| *byte == b'\n')) else {
        return;
    };
    let offered = String::from_utf8_lossy(fields).to_ascii_lowercase();
    assert!(offered.contains("permessage-deflate"));
    let response = &agreement.response;
    let bits = response
        .strip_prefix("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
        .expect("nothing is kept between messages");
    if !bits.is_empty() {
        let bits: u8 = bits
            .strip_prefix("; server_max_window_bits=")
            .and_then(|bits| bits.parse().ok())
            .expect("the only other parameter");
        assert!((9..=15).contains(&bits) && offered.contains("server_max_window_bits"));
        assert_eq!(agreement.is_narrow, bits < 15);
    } else {
        assert!(!agreement.is_narrow);
    }
    assert_eq!(
        negotiate([response.as_bytes()].into_iter()).as_ref(),
        Some(&agreement)
    );
}
