//! Lines of text: no panic, any split gives the same, nothing that a terminal obeys comes through, and what is long is
//! refused when it is too long, not when it ends.

use parlor::codec::line::{self, Line, LineError};

const MAX_LINE: usize = 30;

/// The lines, and whether it ends with one that is too long.
type Outcome = (Vec<Result<String, LineError>>, bool);

/// The first bytes decide where the rest is cut.
pub(crate) fn check(data: &[u8]) {
    let (choices, input) = data.split_at(data.len().min(4));
    let whole = take(input, &[input.len()]);
    assert_eq!(take(input, &super::cuts(input, choices)), whole);
    let bytes: Vec<usize> = (1..=input.len()).collect();
    assert_eq!(take(input, &bytes), whole);
    let ends = input.iter().filter(|byte| **byte == b'\n').count();
    assert!(whole.1 || whole.0.len() == ends);
    for line in whole.0.iter().flatten() {
        assert!(line.len() <= MAX_LINE && is_clean(line), "{line:?}");
        check_parsed(line);
    }
    if let Ok(text) = str::from_utf8(input) {
        let mut out = String::new();
        line::push_clean(text, &mut out);
        assert!(is_clean(&out), "{out:?}");
    }
}

/// Feeds `input` as a connection does; ends with a line that is too long.
fn take(input: &[u8], cuts: &[usize]) -> Outcome {
    let (mut tail, mut lines, mut from) = (Vec::new(), Vec::new(), 0);
    let mut text = String::new();
    for &end in cuts {
        tail.extend_from_slice(&input[from..end]);
        from = end;
        let mut rest = tail.as_mut_slice();
        loop {
            match line::take(&mut rest, MAX_LINE, &mut text) {
                Ok(Some(line)) => lines.push(Ok(line.to_owned())),
                Ok(None) => break,
                Err(LineError::TooLong) => return (lines, true),
                Err(refused) => lines.push(Err(refused)),
            }
        }
        assert!(rest.len() <= MAX_LINE, "more than a line is left over");
        tail = rest.to_vec();
    }
    (lines, false)
}

/// No control characters, and none that turn the direction of what follows.
fn is_clean(text: &str) -> bool {
    let turns =
        |c: char| ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
    !text.contains(|c: char| c.is_control() || turns(c))
}

/// What is no command is said as it is.
fn check_parsed(line: &str) {
    match (line::parse(line), line.strip_prefix('/')) {
        (Line::Say(text), None) => assert_eq!(text, line),
        (Line::Say(text), Some(rest)) => assert!(text == rest && text.starts_with('/')),
        (Line::Empty, _) => assert!(line.trim().is_empty()),
        (Line::Set { target, value }, None) => {
            assert_eq!(line.trim_end(), format!("{target} {value}"));
            assert!(target.contains('/') && value.parse::<f64>().is_ok());
        }
        (_, rest) => assert!(rest.is_some(), "{line:?} is no command"),
    }
}
