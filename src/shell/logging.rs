//! The log, on standard error.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use env_logger::fmt::Formatter;
use log::{LevelFilter, Record};

/// Logs what is at least of this level, unless `RUST_LOG` says otherwise.
pub fn init(level: LevelFilter) {
    env_logger::Builder::new()
        .filter_level(level)
        .format(write_line)
        .parse_default_env()
        .init();
}

/// The usual line, but that a time past the last year it can say ends nothing.
fn write_line(line: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let mut time = String::new();
    if write!(time, "{}", line.timestamp()).is_err() {
        time.push_str("after 9999");
    }
    let level = record.level();
    let style = line.default_level_style(level);
    let (target, text) = (record.target(), record.args());
    writeln!(line, "[{time} {style}{level:<5}{style:#} {target}] {text}")
}
