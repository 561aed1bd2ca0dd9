//! An import beside a running server: its lines go to the server, which says how far it has come.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;

use crate::core::export::{ImportEnd, ImportReport};
use crate::shell::error::RunError;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Hands standard input over. Gives how many messages were imported, and of how many rooms.
///
/// # Errors
/// A line is wrong, or cannot be published; or one of the two ends fails.
pub(super) fn hand_over(server: UnixStream) -> Result<(u64, usize), RunError> {
    let lost = |error| RunError::new("cannot talk to the server", error, "");
    let reports = BufReader::new(server.try_clone().map_err(lost)?);
    // On a thread of its own, which waits for input while this one hears that a line is wrong.
    let sending = thread::spawn(move || send(server));
    let mut last = ImportReport::default();
    for line in reports.lines() {
        // A server that ends with input left unread resets the connection.
        let Ok(line) = line else { break };
        let Some(report) = ImportReport::parse(&line) else {
            break;
        };
        show(&report);
        last = report;
        if last.end.is_some() {
            break;
        }
    }
    match last.end {
        Some(ImportEnd::Done) => match sending.join() {
            Ok(Err(error)) => Err(cannot_read(error)),
            _ => Ok((last.messages, last.rooms)),
        },
        Some(ImportEnd::Failed { line, error }) => {
            let line = line.map_or(String::new(), |line| format!("line {line}: "));
            Err(ended(&format!("{line}{error}"), last.messages, last.rooms))
        }
        None => {
            let why = "the server has ended the import without a word";
            Err(ended(why, last.messages, last.rooms))
        }
    }
}

pub(super) fn cannot_read(error: io::Error) -> RunError {
    RunError::new("cannot read standard input", error, "")
}

fn ended(why: &str, messages: u64, rooms: usize) -> RunError {
    let done = match messages {
        0 => "nothing was imported".to_owned(),
        _ => format!("imported {messages} messages of {rooms} rooms, which stay"),
    };
    RunError {
        what: format!("{why}; {done}"),
        cause: None,
        advice: "",
    }
}

/// Copies standard input to the server. An error is one of reading: the server says itself why it takes no more.
fn send(mut server: UnixStream) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut chunk = vec![0; CHUNK];
    loop {
        match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                if server.write_all(&chunk[..count]).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // To the server it is the end, too.
                let _ = server.shutdown(Shutdown::Write);
                return Err(error);
            }
        }
    }
    // If it has ended, it has said why.
    let _ = server.shutdown(Shutdown::Write);
    Ok(())
}

/// For people at a terminal.
fn show(report: &ImportReport) {
    let mut terminal = io::stderr();
    if !terminal.is_terminal() {
        return;
    }
    let _ = match report.end {
        None => write!(terminal, "\r{} messages", report.messages),
        Some(_) => write!(terminal, "\r\x1b[K"),
    };
}
