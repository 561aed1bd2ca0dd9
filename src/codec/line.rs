//! Lines of text, for people with `nc` or telnet: a line in is a message or a command, a message is a line out.

pub mod foreign;
mod telnet;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Nothing.
    Empty,
    /// Something to the room. Two slashes in front stand for one.
    Say(&'a str),
    /// Take this name.
    Nick(&'a str),
    /// Show this token.
    Login(&'a str),
    /// Go into this room.
    Join(&'a str),
    /// Who is here?
    Who,
    /// The state of a key.
    Set {
        /// A room and a key, as they were typed.
        target: &'a str,
        /// What it is.
        value: &'a str,
    },
    /// Something to one person.
    Msg {
        /// Their name.
        to: &'a str,
        /// What to say.
        text: &'a str,
    },
    /// What can one do here?
    Help,
    /// Goodbye.
    Quit,
    /// A command that there is not.
    Unknown(&'a str),
}

impl Line<'_> {
    /// The name of the room that has to be there for it, but for the one that its sender is in.
    pub fn room(&self) -> Option<&str> {
        match self {
            Self::Join(room) => Some(room),
            Self::Set { target, .. } => Some(target.split('/').next().unwrap_or(target)),
            _ => None,
        }
    }
}

/// Why a line is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// It is longer than it may be, or will be when its end comes.
    TooLong,
    /// It is not UTF-8.
    NotUtf8,
}

/// Takes the next line off the front of `input`, without its end, LF or CR LF, and without control characters, which
/// `text` is the buffer for; `None` while it is not whole. It may be `max` bytes long.
///
/// # Errors
/// The line is taken off, unless it is too long.
pub fn take<'t>(
    input: &mut &mut [u8],
    max: usize,
    text: &'t mut String,
) -> Result<Option<&'t str>, LineError> {
    let Some(end) = telnet::find_line_end(input) else {
        return match input.len() > max {
            true => Err(LineError::TooLong),
            false => Ok(None),
        };
    };
    if end > max {
        return Err(LineError::TooLong);
    }
    let (line, rest) = std::mem::take(input).split_at_mut(end + 1);
    *input = rest;
    clean(&mut line[..end], text).map(Some)
}

/// The line without an end that stands before the end of the input; `None` where there is none.
///
/// # Errors
/// As `take`.
pub fn take_last<'t>(
    input: &mut [u8],
    max: usize,
    text: &'t mut String,
) -> Result<Option<&'t str>, LineError> {
    if input.len() > max {
        return Err(LineError::TooLong);
    }
    let line = clean(input, text)?;
    Ok((!line.is_empty()).then_some(line))
}

/// The text of a line, without telnet's commands and control characters.
fn clean<'t>(line: &mut [u8], text: &'t mut String) -> Result<&'t str, LineError> {
    let length = telnet::strip(line);
    let line = str::from_utf8(&line[..length]).map_err(|_| LineError::NotUtf8)?;
    text.clear();
    push_clean(line, text);
    Ok(text)
}

/// Reads a line.
pub fn parse(line: &str) -> Line<'_> {
    let Some(command) = line.strip_prefix('/') else {
        return match (line.trim(), value_of_key(line)) {
            ("", _) => Line::Empty,
            (_, Some((target, value))) => Line::Set { target, value },
            _ => Line::Say(line),
        };
    };
    if command.starts_with('/') {
        return Line::Say(command);
    }
    let (name, rest) = split_word(command);
    match name {
        "nick" => Line::Nick(rest),
        "login" => Line::Login(rest),
        "join" => Line::Join(rest),
        "who" => Line::Who,
        "set" => {
            let (target, value) = split_word(rest);
            Line::Set { target, value }
        }
        "msg" => {
            let (to, text) = split_word(rest);
            Line::Msg { to, text }
        }
        "help" => Line::Help,
        "quit" => Line::Quit,
        _ => Line::Unknown(name),
    }
}

/// Appends a text as it may stand within a line: a terminal obeys control characters, so there are none.
pub fn push_clean(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            '\n' => out.push_str(" / "),
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {}
            c => out.push(c),
        }
    }
}

/// What a sensor sends: `plant/boiler.temp 21.5`, two words and a number. `and/or not`, or a link, is said.
fn value_of_key(line: &str) -> Option<(&str, &str)> {
    let (target, value) = line.trim_end().split_once(' ')?;
    let (room, key) = target.split_once('/')?;
    let is_target = !room.is_empty() && !key.is_empty() && !key.starts_with('/');
    let is_number = value.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && value.parse().is_ok_and(f64::is_finite);
    (is_target && is_number).then_some((target, value))
}

fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines that come of bytes, in portions, and what is refused.
    fn lines(portions: &[&[u8]], max: usize) -> Vec<Result<String, LineError>> {
        let (mut held, mut seen) = (Vec::new(), Vec::new());
        let mut text = String::new();
        for portion in portions {
            held.extend_from_slice(portion);
            let mut input = held.as_mut_slice();
            loop {
                match take(&mut input, max, &mut text) {
                    Ok(None) => break,
                    Ok(Some(line)) => seen.push(Ok(line.to_owned())),
                    Err(refused) => seen.push(Err(refused)),
                }
                if seen.last() == Some(&Err(LineError::TooLong)) {
                    return seen;
                }
            }
            held = input.to_vec();
        }
        seen
    }

    #[test]
    fn what_stands_before_the_end() {
        let last = |input: &[u8]| {
            let mut text = String::new();
            take_last(&mut input.to_vec(), 8, &mut text).map(|line| line.map(str::to_owned))
        };
        assert_eq!(last(b""), Ok(None));
        assert_eq!(last(b"last one"), Ok(Some("last one".to_owned())));
        assert_eq!(last(b"a\r"), Ok(Some("a".to_owned())));
        assert_eq!(last(b"\xff\xfb\x1f"), Ok(None));
        assert_eq!(last(b"\xff\xfb"), Err(LineError::NotUtf8));
        assert_eq!(last(b"\xe9"), Err(LineError::NotUtf8));
        assert_eq!(last(b"123456789"), Err(LineError::TooLong));
    }

    #[test]
    fn telnet_is_passed_over() {
        let one = |input: &[u8]| lines(&[input], 80);
        let said = |text: &str| vec![Ok(text.to_owned())];
        // What PuTTY begins with: WILL NAWS, WILL TSPEED, WILL TTYPE, WILL NEW-ENVIRON, DO ECHO, WILL SGA, DO SGA.
        let putty = b"\xff\xfb\x1f\xff\xfb\x20\xff\xfb\x18\xff\xfb\x27\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03hello\r\n";
        assert_eq!(one(putty), said("hello"));
        // A window of ten rows holds a line end.
        assert_eq!(
            one(b"\xff\xfa\x1f\0\x50\0\x0a\xff\xf0hello\n"),
            said("hello")
        );
        assert_eq!(one(b"he\xff\xf1llo\xff\xf6\n"), said("hello"));
        assert_eq!(
            one(b"\xff\xfa\x18\0a\xff\xff\xf0\x0ab\xff\xf0hello\n"),
            said("hello")
        );
        // A byte that is sent is no command, and no UTF-8.
        assert_eq!(one(b"\xff\xff\n"), vec![Err(LineError::NotUtf8)]);
        assert_eq!(one(b"na\xffve\n"), vec![Err(LineError::NotUtf8)]);
        assert_eq!(
            lines(&[b"\xff", b"\xfb", b"\x1f", b"a", b"\n"], 80),
            said("a")
        );
    }

    #[test]
    fn what_a_line_says() {
        for (line, expected) in [
            ("hello /all", Line::Say("hello /all")),
            ("//usr/bin", Line::Say("/usr/bin")),
            ("  ", Line::Empty),
            ("/nick  Alice B. ", Line::Nick("Alice B.")),
            ("/join tea", Line::Join("tea")),
            (
                "/msg bob see you",
                Line::Msg {
                    to: "bob",
                    text: "see you",
                },
            ),
            ("/msg", Line::Msg { to: "", text: "" }),
            (
                "plant/boiler.temp 21.5",
                Line::Set {
                    target: "plant/boiler.temp",
                    value: "21.5",
                },
            ),
            (
                "plant/a/b -1e3 ",
                Line::Set {
                    target: "plant/a/b",
                    value: "-1e3",
                },
            ),
            (
                "/set plant/door wide open",
                Line::Set {
                    target: "plant/door",
                    value: "wide open",
                },
            ),
            ("and/or 5 of them", Line::Say("and/or 5 of them")),
            ("plant/door open", Line::Say("plant/door open")),
            ("plant/door inf", Line::Say("plant/door inf")),
            ("plant/door -inf", Line::Say("plant/door -inf")),
            ("plant/door 1e999", Line::Say("plant/door 1e999")),
            ("http://a/b 5", Line::Say("http://a/b 5")),
            ("plant/ 5", Line::Say("plant/ 5")),
            ("plant 5", Line::Say("plant 5")),
            ("/who", Line::Who),
            ("/dance now", Line::Unknown("dance")),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }

    #[test]
    fn lines_are_clean_and_bounded() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(lines(&[b"a\r\n\x1b[2Jb\tc\n"], 10), [ok("a"), ok("[2Jb c")]);
        assert_eq!(
            lines(&[b"\xff\nb\n"], 10),
            [Err(LineError::NotUtf8), ok("b")]
        );
        assert_eq!(lines(&[b"12345678901"], 10), [Err(LineError::TooLong)]);
        assert_eq!(lines(&[b"12345678901\n"], 10), [Err(LineError::TooLong)]);
        let mut out = String::new();
        push_clean("two\r\nlines \u{202e}evil", &mut out);
        assert_eq!(out, "two / lines evil");
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(bytes in prop::collection::vec(prop::sample::select(&b"a/\n\r\xc3\xa9"[..]), 0..40), at in 0..40_usize) {
            let at = at.min(bytes.len());
            prop_assert_eq!(lines(&[&bytes], 20), lines(&[&bytes[..at], &bytes[at..]], 20));
        }
    }
}
