//! What a client offers, and what is agreed on.

use std::fmt::Write as _;

/// The smallest window of which zlib makes use; a message that is compressed with it suits every larger one.
pub(super) const NARROW_BITS: u8 = 9;
/// The largest, which is meant when nothing is said.
pub(super) const WIDE_BITS: u8 = 15;

/// What was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The peer's window is smaller than usual: `server_max_window_bits` below 15.
    pub is_narrow: bool,
    /// The value of `Sec-WebSocket-Extensions` in the response.
    pub response: String,
}

/// Takes the first offer among the values of `Sec-WebSocket-Extensions` that can be met, or none: then messages go
/// uncompressed. An offer is declined for a parameter that is unknown, stands twice or has a wrong value (section 7.1),
/// and for a window of 2^8 bytes, of which no compressor here makes use.
pub fn negotiate<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Agreement> {
    values
        .filter_map(|value| str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .find_map(accept)
}

fn accept(offer: &str) -> Option<Agreement> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let mut seen = [false; 4];
    let mut server_bits = None;
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (part, None),
        };
        let index = match (name, value) {
            ("server_no_context_takeover", None) => 0,
            ("client_no_context_takeover", None) => 1,
            ("server_max_window_bits", Some(bits)) => {
                server_bits = Some(parse_bits(bits).filter(|bits| *bits >= NARROW_BITS)?);
                2
            }
            ("client_max_window_bits", None) => 3,
            ("client_max_window_bits", Some(bits)) => parse_bits(bits).map(|_| 3)?,
            _ => return None,
        };
        if std::mem::replace(&mut seen[index], true) {
            return None;
        }
    }
    let mut response =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    if let Some(bits) = server_bits {
        // Writing to a String does not fail.
        let _ = write!(response, "; server_max_window_bits={bits}");
    }
    Some(Agreement {
        is_narrow: server_bits.is_some_and(|bits| bits < WIDE_BITS),
        response,
    })
}

/// 8 to 15, without zeros in front (section 7.1.2).
fn parse_bits(text: &str) -> Option<u8> {
    let bits: u8 = text.parse().ok()?;
    ((8..=15).contains(&bits) && text == bits.to_string()).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_CONTEXT: &str =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    fn response(offers: &str) -> Option<String> {
        negotiate([offers.as_bytes()].into_iter()).map(|agreement| agreement.response)
    }

    #[test]
    fn the_first_offer_that_can_be_met() {
        let chrome = "permessage-deflate; client_max_window_bits";
        assert_eq!(response(chrome).as_deref(), Some(NO_CONTEXT));
        assert_eq!(
            response("x-other, Permessage-Deflate").as_deref(),
            Some(NO_CONTEXT)
        );
        let narrow = "permessage-deflate; server_max_window_bits=\"9\"; client_max_window_bits=15";
        let expected = format!("{NO_CONTEXT}; server_max_window_bits=9");
        assert_eq!(response(narrow), Some(expected));
        let second = "permessage-deflate; server_max_window_bits=8, permessage-deflate";
        assert_eq!(response(second).as_deref(), Some(NO_CONTEXT));
        assert!(
            negotiate([narrow.as_bytes()].into_iter())
                .unwrap()
                .is_narrow
        );
    }

    #[test]
    fn offers_that_are_declined() {
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        ] {
            assert_eq!(response(offer), None, "{offer}");
        }
    }
}
