//! `parlor import`: rooms that were exported, into a data directory.

use std::io::{self, BufRead, ErrorKind, Read as _};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;

use super::hand_over::{cannot_read, hand_over};
use crate::core::export;
use crate::shell::error::RunError;
use crate::shell::import_socket::ImportSocket;
use crate::shell::store::Import;

/// Bytes of a line at most, so that what is no export does not fill the memory: more than a message of 16 MiB takes.
const MAX_LINE: u64 = 100 << 20;

/// Reads the lines of standard input into a data directory: all of them, or none. A server that runs there is given them,
/// and publishes one after the other.
///
/// # Errors
/// A line is wrong, or a room is there already; or the directory cannot be used.
pub fn import(path: &Path) -> Result<(), RunError> {
    let socket = ImportSocket::path_in(path);
    let (messages, rooms) = match UnixStream::connect(&socket) {
        Ok(server) => hand_over(server)?,
        Err(_) => import_alone(path, &socket)?,
    };
    println!("imported {messages} messages of {rooms} rooms");
    Ok(())
}

/// Writes to the directory, which no server uses. Gives how many messages there were, of how many rooms.
fn import_alone(path: &Path, socket: &Path) -> Result<(u64, usize), RunError> {
    let mut import = Import::begin(path).map_err(|error| explain(error, socket))?;
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if read.map_err(cannot_read)? == 0 {
            break;
        }
        number += 1;
        add(&mut import, &line).map_err(|why| RunError {
            what: format!("line {number}: {why}"),
            cause: None,
            advice: "nothing was imported",
        })?;
    }
    let rooms = import.rooms();
    import.commit().map_err(|error| error.at_start(path))?;
    Ok((number, rooms))
}

/// Says what to do if another process has the directory, and takes no lines.
fn explain(error: RunError, socket: &Path) -> RunError {
    let cause = error.cause.as_ref();
    if cause.is_none_or(|cause| cause.kind() != ErrorKind::ResourceBusy) {
        return error;
    }
    let advice = match SocketAddr::from_pathname(socket) {
        Ok(_) => "it takes no imports now: try again when it has started, or has ended",
        Err(_) => {
            "the path is too long for a Unix socket, by which a server takes imports: end it first, or give it a shorter one"
        }
    };
    RunError { advice, ..error }
}

/// Adds the message of a line, or says why it cannot be added.
fn add(import: &mut Import, line: &[u8]) -> Result<(), String> {
    if line.len() as u64 == MAX_LINE {
        return Err(format!("it is longer than {MAX_LINE} bytes"));
    }
    let line = str::from_utf8(line).map_err(|error| error.to_string())?;
    let (room, stored) = export::parse_json(line).map_err(|error| error.to_string())?;
    import
        .add(&room, &stored)
        .map_err(|error| error.to_string())
}
