//! The rings of `src/lib.rs` import inward only.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Asserts that no file of a ring names what it must not know.
fn assert_knows_nothing_of(ring: &str, words: &[&str]) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = sources(&src.join(ring));
    files.push(src.join(ring).with_extension("rs"));
    assert!(files.len() > 3, "{ring} was not found");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for word in words {
            assert!(!text.contains(word), "{} names {word}", file.display());
        }
    }
}

#[test]
fn the_codec_knows_no_rooms_sockets_or_clocks() {
    assert_knows_nothing_of(
        "codec",
        &[
            "crate::core",
            "crate::shell",
            "mio::",
            "std::net",
            "Instant",
            "SystemTime",
        ],
    );
}

#[test]
fn the_core_knows_no_loop_clocks_threads_or_chance() {
    let words = [
        "crate::shell",
        "mio::",
        "Instant",
        "SystemTime",
        "std::thread",
        "HashMap",
        "RandomState",
    ];
    assert_knows_nothing_of("core", &words);
}

#[test]
fn the_shell_knows_no_message_formats() {
    assert_knows_nothing_of("shell", &["crate::codec", "tungstenite", "httparse"]);
}
