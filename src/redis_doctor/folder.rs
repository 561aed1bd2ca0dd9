//! Whether a node can use the folder of files that it shares with others: tried with a file of its own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::report::Finding;

/// What the file is called, and what it is renamed to, as a file is that has come.
const NAMES: [&str; 2] = ["doctor.part", "doctor"];

/// What there is to say of the folder. One that is missing is made by the node that starts first.
pub(super) fn finding(folder: &Path) -> Finding {
    let what = "files";
    let shown = folder.display().to_string();
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            Finding::new(what, shown, "it is no directory").needed("name a directory with --files")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let meaning = "it is not there yet: the first node makes it, on this machine alone";
            Finding::new(what, shown, meaning)
                .better("mount what all nodes share, if they are on several machines")
        }
        Err(error) => refused(&shown, &error),
        Ok(_) => match write(folder) {
            Ok(()) => Finding::new(what, shown, "a file can be written, renamed and removed"),
            Err(error) => refused(&shown, &error),
        },
    }
}

fn refused(shown: &str, error: &io::Error) -> Finding {
    Finding::new("files", shown, format!("it cannot be used: {error}"))
        .needed("let the user of the nodes write there")
}

/// Writes a file as a node does, and removes it.
fn write(folder: &Path) -> io::Result<()> {
    let [part, whole] = NAMES.map(|name| folder.join(format!("{name}-{}", std::process::id())));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&part)?;
    let written = file.write_all(b"hello").and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&part, &whole));
    let synced = renamed.and_then(|()| fs::File::open(folder)?.sync_all());
    let left = if whole.exists() { &whole } else { &part };
    fs::remove_file(left).and(synced)
}

#[cfg(test)]
mod tests {
    use super::super::report::Report;
    use super::*;

    fn report(folder: &Path) -> Report {
        let mut report = Report::default();
        report.add(finding(folder));
        report
    }

    #[test]
    fn a_folder_is_tried() {
        let folder = std::env::temp_dir().join(format!("parlor-doctor-{}", std::process::id()));
        let missing = report(&folder);
        assert!(missing.is_usable() && !missing.is_well(), "{missing}");
        fs::create_dir(&folder).unwrap();
        let there = report(&folder);
        assert!(there.is_well(), "{there}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left");
        let file = folder.join("file");
        fs::write(&file, "").unwrap();
        let no_folder = report(&file);
        assert!(!no_folder.is_usable(), "{no_folder}");
        let below = report(&file.join("below"));
        assert!(!below.is_usable(), "{below}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
