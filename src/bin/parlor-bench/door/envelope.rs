//! Messages of a run in a protocol where all are of one form: the same bytes before the body and behind it.

use crate::stamp::STAMP_BYTES;

/// What stands around a body of known size.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    before: Vec<u8>,
    after: &'static [u8],
    size: usize,
}

impl Envelope {
    pub(crate) fn new(before: String, size: usize, after: &'static [u8]) -> Envelope {
        Envelope {
            before: before.into_bytes(),
            after,
            size,
        }
    }

    /// The stamp of a message of this form.
    #[inline]
    pub(crate) fn stamp<'a>(&self, message: &'a [u8]) -> Option<&'a [u8; STAMP_BYTES]> {
        let body_and_after = message.strip_prefix(&self.before[..])?;
        let (body, after) = body_and_after.split_at_checked(self.size)?;
        body.first_chunk().filter(|_| after == self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_body_of_the_right_size_in_the_right_form_is_a_message() {
        let envelope = Envelope::new("<<".into(), 30, b">>");
        let body = "abcdefghijklmnopqrstuvwxyz1234";
        let stamp = envelope.stamp(b"<<abcdefghijklmnopqrstuvwxyz1234>>");
        assert_eq!(stamp.unwrap()[..], body.as_bytes()[..STAMP_BYTES]);
        for other in [
            &format!("<{body}>>"),
            &format!("<<{body}>"),
            &format!("<<{body}>>>"),
            &format!("<<{body}5>>"),
            &format!("<<{}>>", &body[1..]),
            "<<",
            "",
        ] {
            assert_eq!(envelope.stamp(other.as_bytes()), None, "{other}");
        }
    }
}
