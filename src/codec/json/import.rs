//! What a server says to whoever hands it the lines of an export: how far it has come, and how that ended. A line each.

use serde::{Deserialize, Serialize};

/// How far an import has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Messages that are published, and kept.
    pub messages: u64,
    /// Rooms that they are in.
    pub rooms: usize,
    /// How it has ended; there is none while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ImportEnd>,
}

/// How an import has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportEnd {
    /// All lines are imported.
    Done,
    /// Not all are.
    Failed {
        /// The number of the line that is not, counted from 1; `None` if it has ended before the first.
        line: Option<u64>,
        /// Why.
        error: String,
    },
}

impl ImportReport {
    /// Appends it as a line.
    pub fn write(&self, out: &mut Vec<u8>) {
        super::event::write(self, out);
        out.push(b'\n');
    }

    /// Reads such a line; `None` if it is none.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_line_and_read_back() {
        let failed = |line| ImportEnd::Failed {
            line,
            error: "two\nlines".to_owned(),
        };
        for end in [
            None,
            Some(ImportEnd::Done),
            Some(failed(Some(7))),
            Some(failed(None)),
        ] {
            let report = ImportReport {
                messages: 6,
                rooms: 2,
                end,
            };
            let mut line = Vec::new();
            report.write(&mut line);
            let line = String::from_utf8(line).unwrap();
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
            assert_eq!(ImportReport::parse(&line), Some(report));
        }
        assert_eq!(ImportReport::parse("hello\n"), None);
    }
}
