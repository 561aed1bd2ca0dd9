//! `parlor export`: the messages of rooms, a line each.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use clap::{Args, ValueEnum};

use crate::core::export;
use crate::core::store::Stored;
use crate::shell::error::RunError;
use crate::shell::store::{Archive, ArchivedRoom, StoreError};
use crate::shell::timestamp::rfc3339;

/// What is written, and how.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Room whose messages are written; may be repeated [default: all rooms]
    #[arg(long, value_name = "ROOM")]
    pub room: Vec<String>,

    /// jsonl, a JSON object a line, which can be imported, or txt, for people
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "jsonl",
        hide_possible_values = true
    )]
    pub format: ExportFormat,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A JSON object.
    Jsonl,
    /// Time, author and text.
    Txt,
}

/// Writes messages of a data directory to standard output, also while a server goes on to write others.
///
/// # Errors
/// There is no such directory or room, or it cannot be read or written.
pub fn export(path: &Path, args: &ExportArgs) -> Result<(), RunError> {
    let archive = Archive::open(path)?;
    let cannot_read = |error: StoreError| error.at_start(path);
    let rooms = match args.room.is_empty() {
        true => archive.rooms().map_err(cannot_read)?,
        false => {
            let rooms = args.room.iter().map(|name| match archive.room(name) {
                Ok(Some(room)) => Ok(room),
                Ok(None) => Err(RunError {
                    what: format!("there is no room {name:?} in {}", path.display()),
                    cause: None,
                    advice: "names are compared byte for byte",
                }),
                Err(error) => Err(cannot_read(error)),
            });
            rooms.collect::<Result<_, _>>()?
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    for room in &rooms {
        for page in archive.pages(room) {
            let page = page.map_err(cannot_read)?;
            match write(room, &page, args.format, &mut out) {
                // Whoever reads it has read enough, as `head` has.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written.map_err(cannot_write)?,
            }
        }
    }
    out.flush().map_err(cannot_write)
}

fn cannot_write(error: io::Error) -> RunError {
    RunError::new("cannot write to standard output", error, "")
}

fn write(
    room: &ArchivedRoom,
    page: &[Stored],
    format: ExportFormat,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut line = Vec::new();
    for stored in page {
        line.clear();
        match format {
            ExportFormat::Jsonl => export::write_json(&room.name, room.epoch(), stored, &mut line),
            ExportFormat::Txt => {
                let at = UNIX_EPOCH.checked_add(Duration::from_millis(stored.at_ms));
                line.extend_from_slice(at.map_or("after 9999".to_owned(), rfc3339).as_bytes());
                line.push(b' ');
                export::write_text(stored, &mut line);
            }
        }
        out.write_all(&line)?;
    }
    Ok(())
}
