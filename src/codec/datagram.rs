//! Datagrams, from things that can only spray UDP: one is a message, `room text`, or the state of a key, `room/key text`;
//! with a token in front where one is wanted.

use super::target::{KeyError, Target};

/// What a datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Where it is said.
    pub target: Target<'a>,
    /// What is said there: at least one byte.
    pub text: &'a str,
}

/// Why a datagram is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramError {
    /// It is not UTF-8.
    NotUtf8,
    /// Nothing follows the room's name.
    NoText,
    /// No key can be what follows the slash behind it.
    BadKey,
}

impl From<KeyError> for DatagramError {
    fn from(_: KeyError) -> Self {
        Self::BadKey
    }
}

/// Reads a datagram: up to the first space the room's name, with a slash and a key behind it or without; after it the text as it is, but for one line's end, LF or
/// CR LF, that `echo` puts behind it.
///
/// # Errors
/// For what says nothing that could be passed on.
pub fn parse(bytes: &[u8]) -> Result<Datagram<'_>, DatagramError> {
    split(read_queue_of(bytes)?)
}

/// The same of a datagram that begins with a token and a space.
///
/// # Errors
/// Those of `parse`: who leaves the token out may have said nothing in a room.
pub fn parse_with_token(bytes: &[u8]) -> Result<(&str, Datagram<'_>), DatagramError> {
    let (token, said) = read_queue_of(bytes)?
        .split_once(' ')
        .ok_or(DatagramError::NoText)?;
    Ok((token, split(said)?))
}

/// What was sent, without the end of its line.
fn read_queue_of(bytes: &[u8]) -> Result<&str, DatagramError> {
    let said = str::from_utf8(bytes).map_err(|_| DatagramError::NotUtf8)?;
    Ok(match said.strip_suffix('\n') {
        Some(line) => line.strip_suffix('\r').unwrap_or(line),
        None => said,
    })
}

fn split(said: &str) -> Result<Datagram<'_>, DatagramError> {
    match said.split_once(' ') {
        Some((target, text)) if !text.is_empty() => Ok(Datagram {
            target: Target::parse(target)?,
            text,
        }),
        _ => Err(DatagramError::NoText),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn says<'a>(target: &'a str, text: &'a str) -> Result<Datagram<'a>, DatagramError> {
        let target = Target::parse(target)?;
        Ok(Datagram { target, text })
    }

    #[test]
    fn what_a_datagram_says() {
        for (datagram, expected) in [
            ("plant 21.5", says("plant", "21.5")),
            ("plant 21.5\n", says("plant", "21.5")),
            ("plant 21.5\r\n", says("plant", "21.5")),
            ("plant 21.5\n\n", says("plant", "21.5\n")),
            ("plant 21.5\r", says("plant", "21.5\r")),
            ("plant  a b ", says("plant", " a b ")),
            ("plant two\nlines", says("plant", "two\nlines")),
            ("茶室 grün", says("茶室", "grün")),
            (
                "plant/boiler.temp 21.5\n",
                says("plant/boiler.temp", "21.5"),
            ),
            ("plant/a/b 1", says("plant/a/b", "1")),
            ("plant/ 1", Err(DatagramError::BadKey)),
            ("plant/boiler.temp", Err(DatagramError::NoText)),
            (" nowhere", says("", "nowhere")),
            ("", Err(DatagramError::NoText)),
            ("\n", Err(DatagramError::NoText)),
            ("plant", Err(DatagramError::NoText)),
            ("plant ", Err(DatagramError::NoText)),
            ("plant \r\n", Err(DatagramError::NoText)),
        ] {
            assert_eq!(parse(datagram.as_bytes()), expected, "{datagram:?}");
        }
        assert_eq!(parse(b"plant \xff"), Err(DatagramError::NotUtf8));
        assert_eq!(parse(b"\xffplant 1"), Err(DatagramError::NotUtf8));
    }

    #[test]
    fn a_token_comes_first() {
        let text = "21.5 and so on";
        let target = Target::parse("plant").unwrap();
        let datagram = Datagram { target, text };
        let with_token = format!("a.b.c plant {text}\n");
        assert_eq!(
            parse_with_token(with_token.as_bytes()),
            Ok(("a.b.c", datagram))
        );
        for without in [
            "",
            "plant",
            "plant 21.5",
            "plant 21.5 ",
            " plant",
            "a plant \n",
        ] {
            let refused = parse_with_token(without.as_bytes());
            assert_eq!(refused, Err(DatagramError::NoText), "{without:?}");
        }
        assert_eq!(
            parse_with_token(b"a plant \xff"),
            Err(DatagramError::NotUtf8)
        );
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read(room in "[^ ]{0,70}", text in "(?s).{1,80}", end in "(\r?\n)?") {
            // A text's own end of line is taken for that of `echo` if none follows it.
            prop_assume!(!end.is_empty() || !text.ends_with('\n'));
            prop_assume!(end != "\n" || !text.ends_with('\r'));
            let datagram = format!("{room} {text}{end}");
            prop_assert_eq!(parse(datagram.as_bytes()), says(&room, &text));
        }
    }
}
