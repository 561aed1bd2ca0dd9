//! What telnet says between the text (RFC 854): it begins with a byte that UTF-8 has not. Nothing is agreed to, so none
//! of it needs an answer.

const IAC: u8 = 255;
const SB: u8 = 250;
const SE: u8 = 240;
const WILL: u8 = 251;
const DONT: u8 = 254;

/// Length of the command at the front of `input`; `None` where there is none. One that is not whole goes on to the
/// end.
fn command_length(input: &[u8]) -> Option<usize> {
    match *input {
        // Up to IAC SE; another IAC within it stands twice.
        [IAC, SB, ..] => {
            let mut at = 2;
            while at < input.len() {
                match input[at..] {
                    [IAC, SE, ..] => return Some(at + 2),
                    [IAC, _, ..] => at += 2,
                    _ => at += 1,
                }
            }
            Some(input.len())
        }
        // With an option, of which none in use has the number of a line's end.
        [IAC, WILL..=DONT, option, ..] if option != b'\n' => Some(3),
        [IAC, SE..SB, ..] => Some(2),
        _ => None,
    }
}

/// Where the first line ends whose end is no part of a command.
pub(super) fn find_line_end(input: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < input.len() {
        match input[at] {
            b'\n' => return Some(at),
            IAC => at += command_length(&input[at..]).unwrap_or(1),
            _ => at += 1,
        }
    }
    None
}

/// Moves what is no command to the front, and says how long that is.
pub(super) fn strip(line: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    while from < line.len() {
        if let Some(length) = command_length(&line[from..]) {
            from += length;
        } else {
            line[to] = line[from];
            (from, to) = (from + 1, to + 1);
        }
    }
    to
}
