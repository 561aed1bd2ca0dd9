//! Content codings: which one a client takes (RFC 9110 section 12.5.3), and gzip, the one that there is (RFC 1952).

use flate2::{Compress, Compression, FlushCompress, Status};

/// The greatest quality, in thousandths.
const MOST: u16 = 1000;

/// The largest window that DEFLATE has, 32 KiB.
const WINDOW_BITS: u8 = 15;

/// Whether a client takes gzip, and likes it no less than none: by the items of all its `Accept-Encoding`. Without that
/// field everything is acceptable, but who does not say so may not know gzip.
pub fn prefers_gzip<'a>(items: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut gzip, mut identity, mut others) = (None, None, None);
    for item in items {
        let Some((coding, quality)) = parse(item) else {
            continue;
        };
        let named = match &*coding.to_ascii_lowercase() {
            // RFC 9110 section 8.4.1.3: the same.
            "gzip" | "x-gzip" => &mut gzip,
            "identity" => &mut identity,
            "*" => &mut others,
            _ => continue,
        };
        *named = Some(quality);
    }
    let gzip = gzip.or(others).unwrap_or(0);
    // What is acceptable without being named is liked the least.
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// Compresses files as hard as can be, for what is sent often. One compressor serves all of them: its memory is large, and a
/// compressor for each would leave holes between the results, which the allocator keeps.
#[derive(Debug)]
pub struct Gzip(Compress);

impl Default for Gzip {
    fn default() -> Self {
        Self(Compress::new_gzip(Compression::best(), WINDOW_BITS))
    }
}

impl Gzip {
    /// The file compressed, if that is shorter.
    pub fn shorten(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.0.reset();
        // There is no room for what is not shorter, so it does not come to an end.
        let mut shorter = Vec::with_capacity(bytes.len().saturating_sub(1));
        let done = self
            .0
            .compress_vec(bytes, &mut shorter, FlushCompress::Finish);
        shorter.shrink_to_fit();
        matches!(done, Ok(Status::StreamEnd)).then_some(shorter)
    }
}

/// A coding and its quality in thousandths, as in `gzip;q=0.5`; nothing for what is malformed.
fn parse(item: &[u8]) -> Option<(&str, u16)> {
    let item = str::from_utf8(item).ok()?;
    let Some((coding, weight)) = item.split_once(';') else {
        return Some((item, MOST));
    };
    let (name, value) = weight.trim().split_once('=')?;
    let quality = name.eq_ignore_ascii_case("q").then(|| quality(value))??;
    Some((coding.trim_end(), quality))
}

/// `0`, `1`, or with up to three digits behind a point (RFC 9110 section 12.4.2).
fn quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(MOST),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn of(field: &str) -> bool {
        let items = field.split(',').map(|item| item.trim().as_bytes());
        prefers_gzip(items.filter(|item| !item.is_empty()))
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for field in [
            "gzip",
            "GZip",
            "x-gzip",
            "gzip, deflate, br, zstd",
            "br;q=1.0, gzip;q=0.8, *;q=0.1",
            "*",
            "deflate, *;q=0.001",
            "gzip ; q=0.5",
            "gzip; Q=1.000",
            "gzip;q=0.5, identity;q=0.5",
            "identity;q=0, gzip;q=0.001",
            "*;q=0, gzip",
        ] {
            assert!(of(field), "{field}");
        }
        for field in [
            "",
            "identity",
            "br, deflate",
            "gzip;q=0",
            "gzip;q=0.000",
            "*, gzip;q=0",
            "*;q=0",
            "gzip;q=0.5, identity",
            "*;q=0.5, identity;q=0.501",
            "gzipped",
        ] {
            assert!(!of(field), "{field}");
        }
    }

    #[test]
    fn what_is_malformed_is_passed_over() {
        for weight in [
            "",
            "q",
            "q=",
            "q=2",
            "q=1.001",
            "q=.5",
            "q=-1",
            "q=0.1234",
            "q=+1",
            "q=0,5",
            "q=0.5;q=1",
            "level=9",
        ] {
            assert!(!of(&format!("gzip;{weight}")), "{weight}");
        }
        assert!(of("gzip;q=nan, gzip;q=0.5"));
        assert!(!prefers_gzip([&b"gz\xffip"[..]].into_iter()));
    }

    #[test]
    fn what_is_compressed_comes_out_again_and_is_shorter() {
        let mut gzip = Gzip::default();
        let repeated = [b'p'; 100_000];
        for original in [
            &repeated[..],
            &b"one, two, three. ".repeat(10),
            &repeated[..40],
        ] {
            let compressed = gzip.shorten(original).unwrap();
            assert!(compressed.len() < original.len());
            let mut inflated = Vec::new();
            GzDecoder::new(&*compressed)
                .read_to_end(&mut inflated)
                .unwrap();
            assert_eq!(inflated, original);
        }
    }

    #[test]
    fn what_would_not_be_shorter_is_not_compressed() {
        let mut gzip = Gzip::default();
        for original in [&b""[..], b"p", b"no letter twice"] {
            assert_eq!(gzip.shorten(original), None);
        }
        assert!(
            gzip.shorten(&[b'p'; 100]).is_some(),
            "it goes on after that"
        );
    }
}
