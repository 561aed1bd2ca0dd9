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

/// The parts of the core, outermost last: each imports only those before it, and itself.
const CORE: [&str; 15] = [
    "now", "stream", "ensure", "id", "network", "pace", "budget", "chat", "pattern", "access",
    "store", "net", "site", "delivery", "server",
];

/// The parts of the core that a text names, as in `crate::core::chat`.
fn parts_named(text: &str) -> impl Iterator<Item = &str> {
    let paths = text.split("crate::core::").skip(1);
    paths.map(|path| {
        let end = path.find(|c: char| c != '_' && !c.is_alphanumeric());
        &path[..end.unwrap_or(path.len())]
    })
}

fn place_in_core(part: &str) -> usize {
    let place = CORE.iter().position(|known| *known == part);
    place.unwrap_or_else(|| panic!("{part} has no place in the order of the core"))
}

#[test]
fn each_part_of_the_core_imports_only_what_comes_before_it() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core");
    let mut imports = 0;
    for file in sources(&core) {
        let text = fs::read_to_string(&file).unwrap();
        let inside = file.strip_prefix(&core).unwrap().with_extension("");
        let part = inside.iter().next().unwrap().to_str().unwrap();
        let is_root = inside.components().count() == 1;
        // `super` at a part's root is the core: who comes before whom is seen only in whole paths.
        assert!(
            !is_root || !text.contains("\nuse super::"),
            "{} imports by super",
            file.display()
        );
        for named in parts_named(&text) {
            imports += 1;
            assert!(
                place_in_core(named) <= place_in_core(part),
                "{} imports {named}, which comes after {part}",
                file.display()
            );
        }
    }
    assert!(imports > 300, "{imports} imports were found");
}
