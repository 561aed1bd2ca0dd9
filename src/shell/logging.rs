//! The log, on standard error.

use std::env;
use std::io::{self, Write as _};
use std::time::SystemTime;

use env_logger::fmt::Formatter;
use log::{LevelFilter, Record};

use super::timestamp::rfc3339;

/// What overrides the level of the settings, and is about more than levels.
const VARIABLE: &str = "RUST_LOG";

/// Logs what is at least of this level, unless `RUST_LOG` says otherwise.
pub fn init(level: LevelFilter) {
    let mut logger = env_logger::Builder::new();
    logger.format(write_line);
    if is_overridden() {
        // What of it cannot be understood is as if it were not there.
        logger.filter_level(level).parse_default_env().init();
    } else {
        // The logger takes all that it is asked to, so that the level can change.
        logger.filter_level(LevelFilter::Trace).init();
        log::set_max_level(level);
    }
}

/// Logs what is at least of this level from now on, unless `RUST_LOG` says otherwise.
pub(super) fn set_level(level: LevelFilter) {
    if !is_overridden() {
        log::set_max_level(level);
    }
}

fn is_overridden() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// The usual line of env_logger. Its own time stamps need a library of calendars and time zones.
fn write_line(line: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = rfc3339(SystemTime::now());
    let level = record.level();
    let style = line.default_level_style(level);
    let (target, text) = (record.target(), record.args());
    writeln!(line, "[{time} {style}{level:<5}{style:#} {target}] {text}")
}
