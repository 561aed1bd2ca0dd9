//! `parlor import`: rooms that were exported, into a data directory.

use std::io::{self, BufRead, Read as _};
use std::path::Path;

use crate::core::export;
use crate::shell::error::RunError;
use crate::shell::store::Import;

/// Bytes of a line at most, so that what is no export does not fill the memory: more than a message of 16 MiB takes.
const MAX_LINE: u64 = 100 << 20;

/// Reads the lines of standard input into a data directory: all of them, or none.
///
/// # Errors
/// A line is wrong, or a room is there already; or the directory cannot be used, because a server has it or otherwise.
pub fn import(path: &Path) -> Result<(), RunError> {
    let mut import = Import::begin(path)?;
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if read.map_err(|error| RunError::new("cannot read standard input", error, ""))? == 0 {
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
    println!("imported {number} messages of {rooms} rooms");
    Ok(())
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
