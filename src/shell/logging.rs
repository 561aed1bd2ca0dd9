//! The log, on standard error.

use std::io::{self, Write as _};
use std::time::SystemTime;

use env_logger::fmt::Formatter;
use log::{LevelFilter, Record};

use super::timestamp::rfc3339;

/// Logs what is at least of this level, unless `RUST_LOG` says otherwise.
pub fn init(level: LevelFilter) {
    env_logger::Builder::new()
        .filter_level(level)
        .format(write_line)
        .parse_default_env()
        .init();
}

/// The usual line of env_logger. Its own time stamps need a library of calendars and time zones.
fn write_line(line: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = rfc3339(SystemTime::now());
    let level = record.level();
    let style = line.default_level_style(level);
    let (target, text) = (record.target(), record.args());
    writeln!(line, "[{time} {style}{level:<5}{style:#} {target}] {text}")
}
