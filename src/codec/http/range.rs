//! Which part of a representation a request is for (RFC 9110 section 14). One range is served; several are not, and then the
//! whole is sent, as a server may (section 14.2).

use super::request::Request;

/// What to send of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The bytes from `first` to `last`, both included.
    Range {
        /// The place of the first byte.
        first: u64,
        /// That of the last one.
        last: u64,
    },
    /// The range begins behind the end (section 15.5.17).
    Unsatisfiable,
}

/// What a request asks for, before it is known how long the representation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted(Option<Box<str>>);

impl Wanted {
    /// What a request for a representation with this strong entity tag wants of it.
    pub fn of(request: &Request<'_>, etag: &str) -> Self {
        // Section 14.2: a Range is only defined for GET.
        let range = match request.method {
            "GET" => request.value("range"),
            _ => None,
        };
        // Section 13.1.5: by strong comparison; a date is none that was sent.
        let is_current = !request.has("if-range") || request.value("if-range") == Some(etag);
        Self(range.filter(|_| is_current).map(Into::into))
    }

    /// What that is of a representation of `length` bytes.
    pub fn part(&self, length: u64) -> Part {
        let range = self.0.as_deref();
        range.map_or(Part::Whole, |range| Part::parse(range, length))
    }

    /// Bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |range| range.len())
    }
}

impl Part {
    /// What is no range, or no single one, is as if nothing had been asked for (section 14.2).
    fn parse(range: &str, length: u64) -> Self {
        let Some((unit, ranges)) = range.split_once('=') else {
            return Self::Whole;
        };
        let Some((first, last)) = ranges.trim().split_once('-') else {
            return Self::Whole;
        };
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return Self::Whole;
        }
        match (place(first), place(last)) {
            (Place::At(first), Place::At(last)) if first > last => Self::Whole,
            (Place::At(first), Place::At(_) | Place::Missing) if first >= length => {
                Self::Unsatisfiable
            }
            (Place::At(first), Place::At(last)) => {
                let last = last.min(length - 1);
                Self::Range { first, last }
            }
            (Place::At(first), Place::Missing) => {
                let last = length - 1;
                Self::Range { first, last }
            }
            // So many bytes from the end.
            (Place::Missing, Place::At(count)) if count == 0 || length == 0 => Self::Unsatisfiable,
            (Place::Missing, Place::At(count)) => Self::Range {
                first: length.saturating_sub(count),
                last: length - 1,
            },
            _ => Self::Whole,
        }
    }

    /// The value of `Content-Range`, where one is to be sent (section 14.4).
    pub fn content_range(self, length: u64) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Range { first, last } => Some(format!("bytes {first}-{last}/{length}")),
            Self::Unsatisfiable => Some(format!("bytes */{length}")),
        }
    }

    /// The place of the first byte that is sent, and that behind the last one.
    pub fn bounds(self, length: u64) -> (u64, u64) {
        match self {
            Self::Whole => (0, length),
            Self::Range { first, last } => (first, last + 1),
            Self::Unsatisfiable => (0, 0),
        }
    }
}

enum Place {
    At(u64),
    Missing,
    Malformed,
}

fn place(text: &str) -> Place {
    if text.is_empty() {
        return Place::Missing;
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Place::Malformed;
    }
    // A number that is too long to be held is behind every end.
    Place::At(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::http::request::HeadLimits;

    fn part(method: &str, fields: &str, length: u64) -> Part {
        let head = format!("{method} /files/1/a HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        let limits = HeadLimits {
            head: 4096,
            uri: 1024,
        };
        let parsed = Request::parse(head.as_bytes(), 0, limits).unwrap().unwrap();
        Wanted::of(&parsed.0, "\"tag\"").part(length)
    }

    fn range(first: u64, last: u64) -> Part {
        Part::Range { first, last }
    }

    #[test]
    fn single_ranges() {
        for (asked, expected) in [
            ("bytes=0-0", range(0, 0)),
            ("bytes=0-499", range(0, 499)),
            ("bytes=500-", range(500, 999)),
            ("bytes=-1", range(999, 999)),
            ("bytes=-5000", range(0, 999)),
            ("Bytes= 990-5000 ", range(990, 999)),
            ("bytes=1000-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", Part::Unsatisfiable),
            ("bytes=0-99999999999999999999999", range(0, 999)),
            // Not understood, or not served: all of it.
            ("bytes=0-1,5-9", Part::Whole),
            ("bytes=5-1", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes 0-1", Part::Whole),
            ("lines=0-1", Part::Whole),
        ] {
            let fields = format!("Range: {asked}\r\n");
            assert_eq!(part("GET", &fields, 1000), expected, "{asked}");
        }
        assert_eq!(part("GET", "Range: bytes=0-\r\n", 0), Part::Unsatisfiable);
        assert_eq!(part("GET", "Range: bytes=-1\r\n", 0), Part::Unsatisfiable);
        assert_eq!(part("GET", "", 1000), Part::Whole);
        assert_eq!(part("HEAD", "Range: bytes=0-0\r\n", 1000), Part::Whole);
    }

    #[test]
    fn only_of_the_representation_that_the_client_has() {
        for (tag, is_current) in [
            ("\"tag\"", true),
            ("\"other\"", false),
            ("W/\"tag\"", false),
            ("Sun, 06 Nov 1994 08:49:37 GMT", false),
        ] {
            let fields = format!("Range: bytes=0-1\r\nIf-Range: {tag}\r\n");
            let expected = if is_current { range(0, 1) } else { Part::Whole };
            assert_eq!(part("GET", &fields, 10), expected, "{tag}");
        }
    }

    #[test]
    fn what_a_response_says_of_it() {
        let said = |part: Part| part.content_range(1000);
        assert_eq!(said(range(0, 99)).as_deref(), Some("bytes 0-99/1000"));
        assert_eq!(said(Part::Unsatisfiable).as_deref(), Some("bytes */1000"));
        assert_eq!(said(Part::Whole), None);
    }

    proptest! {
        #[test]
        fn a_range_lies_within_what_there_is(range in "bytes=[0-9]{0,4}-[0-9]{0,4}", length in 0u64..5000) {
            let (from, to) = Part::parse(&range, length).bounds(length);
            prop_assert!(from <= to && to <= length, "{from} {to}");
        }

        #[test]
        fn whatever_is_asked_for_is_answered(range in "\\PC{0,40}", length: u64) {
            let (from, to) = Part::parse(&range, length).bounds(length);
            prop_assert!(from <= to && to <= length);
        }
    }
}
