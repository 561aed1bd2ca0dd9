//! The rings of `src/lib.rs` import inward only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

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
            "clap::",
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
        "clap::",
    ];
    assert_knows_nothing_of("core", &words);
}

#[test]
fn settings_know_neither_the_command_line_nor_who_uses_them() {
    assert_knows_nothing_of(
        "settings",
        &["clap::", "toml::", "crate::core", "crate::shell"],
    );
}

#[test]
fn the_shell_knows_no_message_formats() {
    assert_knows_nothing_of("shell", &["crate::codec", "tungstenite", "httparse"]);
}

/// The parts of the core, outermost last: each imports only those before it, and itself.
const CORE: [&str; 24] = [
    "now",
    "stream",
    "ready",
    "ensure",
    "id",
    "network",
    "pace",
    "budget",
    "file",
    "handover",
    "chat",
    "pattern",
    "access",
    "ban",
    "store",
    "redis",
    "push",
    "net",
    "site",
    "delivery",
    "hooks",
    "escalation",
    "export",
    "server",
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

/// Where the kinds of doors may be told apart: the doors themselves, and the table of what the others have to know of them.
const DOORS: [&str; 3] = ["server/doors", "server/doors.rs", "net/door.rs"];

#[test]
fn only_doors_know_which_doors_there_are() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core");
    let table = fs::read_to_string(core.join("net/door.rs")).unwrap();
    let doors = [variants_of("Door", &table), variants_of("DoorKind", &table)].concat();
    assert!(doors.len() > 10, "{doors:?}");
    let mut inside = 0;
    for file in sources(&core) {
        let text = fs::read_to_string(&file).unwrap();
        let named = doors.iter().find(|door| names(&text, door));
        if DOORS.iter().any(|place| file.starts_with(core.join(place))) {
            inside += usize::from(named.is_some());
            continue;
        }
        assert_eq!(
            named,
            None,
            "{} asks which door it is; what it has to know is a fact in net/door.rs",
            file.display()
        );
    }
    assert!(inside > 5, "only {inside} doors were found");
}

/// The variants of an enum in a text as rustfmt leaves it, as in `Door::Plain`.
fn variants_of(name: &str, text: &str) -> Vec<String> {
    let (_, body) = text.split_once(&format!("enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    lines
        .filter(|line| line.starts_with(char::is_uppercase))
        .map(|line| {
            let end = line.find(|c: char| !c.is_alphanumeric());
            format!("{name}::{}", &line[..end.unwrap_or(line.len())])
        })
        .collect()
}

/// Whether a text has just this path: `Door::Json`, and neither `Door::JsonLines` nor `FrontDoor::Json`.
fn names(text: &str, path: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| c == '_' || c.is_alphanumeric());
    text.match_indices(path).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + path.len()..]);
        !is_word(before.chars().next_back()) && !is_word(after.chars().next())
    })
}

/// Where no two files import each other, by whatever way around.
const WITHOUT_CIRCLES: [&str; 4] = ["codec", "core", "shell", "bin/parlor-bench"];

#[test]
fn no_two_files_import_each_other() {
    for ring in WITHOUT_CIRCLES {
        let modules = modules_of(ring);
        assert!(modules.len() > 3, "{ring} was not found");
        let circles = circles(&modules);
        assert!(
            circles.is_empty(),
            "in src/{ring}, each of these leads back to who imports; move what both need to a file of its own:\n{}",
            circles.join("\n")
        );
    }
}

/// The text of each module, by its path within its crate.
type Modules = BTreeMap<String, String>;

/// Those of a folder of `src`, and of the file beside it. A folder with a main.rs is a crate of its own.
fn modules_of(ring: &str) -> Modules {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folder = src.join(ring);
    let mut files = sources(&folder);
    let root = if folder.join("main.rs").exists() {
        folder
    } else {
        files.push(folder.with_extension("rs"));
        src
    };
    let mut modules = Modules::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&root).unwrap().with_extension("");
        let names = path.iter().map(|name| name.to_str().unwrap());
        let names: Vec<&str> = names.filter(|&name| name != "main").collect();
        if !names.iter().any(|name| name.ends_with("tests")) {
            modules.insert([&["crate"], &names[..]].concat().join("::"), text);
        }
    }
    modules
}

/// Every import that leads back to who imports, a line each.
fn circles(modules: &Modules) -> Vec<String> {
    let imports: BTreeMap<&str, Vec<(&str, String)>> = modules
        .iter()
        .map(|(module, text)| (module.as_str(), imports_of(module, text, modules)))
        .collect();
    let leads_to = |from, to| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(module) = next.pop() {
            if seen.insert(module) {
                next.extend(imports[module].iter().map(|(target, _)| *target));
            }
        }
        seen.contains(to)
    };
    let mut found = Vec::new();
    for (module, its_imports) in &imports {
        for (target, item) in its_imports {
            if leads_to(*target, *module) {
                found.push(format!("{module} imports {target}{item}"));
            }
        }
    }
    found
}

/// From which modules one imports, and what. Counted are `use` and paths that are written out where they are needed, `pub
/// use` too: a module that passes something on imports it, and who takes it from there imports that module. Not counted
/// are `mod`, and a folder's own type, which files in the folder add methods to: `Load` of `load`.
fn imports_of<'a>(module: &str, text: &str, modules: &'a Modules) -> Vec<(&'a str, String)> {
    let mut found = Vec::new();
    let code = text.parse().expect("it compiles");
    for path in paths(code) {
        let Some((target, item)) = resolve(module, &path, modules) else {
            continue;
        };
        let is_ancestor = module.starts_with(&format!("{target}::"));
        let own_type = camel_case(target.rsplit("::").next().unwrap());
        if target != module && !(is_ancestor && item == format!("::{own_type}")) {
            found.push((target, item));
        }
    }
    found
}

fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').map(word).collect()
}

/// The innermost module that a path leads to, and what it names there; `None` for another crate or ring.
fn resolve<'a>(module: &str, path: &[String], modules: &'a Modules) -> Option<(&'a str, String)> {
    let mut names = path.iter().map(String::as_str).peekable();
    let mut target = match names.peek().copied()? {
        "crate" => "crate".to_owned(),
        name if name == "self" || name == "super" => module.to_owned(),
        name if modules.contains_key(&format!("{module}::{name}")) => module.to_owned(),
        _ => return None,
    };
    names.next_if(|&name| name == "crate" || name == "self");
    while names.next_if(|&name| name == "super").is_some() {
        target.truncate(target.rfind("::")?);
    }
    let mut item = String::new();
    for name in names.filter(|&name| name != "self") {
        let inner = format!("{target}::{name}");
        // A ring is seldom the whole crate: `crate::codec` is on the way to a module, and no module.
        if !modules
            .keys()
            .any(|module| module == &inner || module.starts_with(&format!("{inner}::")))
        {
            item = format!("::{name}");
            break;
        }
        target = inner;
    }
    let (target, _) = modules.get_key_value(&target)?;
    Some((target, item))
}

/// Every path that may lead to another module: one for each branch of a `use`, and those written out in the code.
fn paths(code: TokenStream) -> Vec<Vec<String>> {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    let mut found = Vec::new();
    let mut rest = &tokens[..];
    while let [token, after @ ..] = rest {
        rest = after;
        match token {
            TokenTree::Punct(sign) if sign.as_char() == '#' && is_test_mark(rest) => {
                rest = &rest[1 + item_length(&rest[1..])..];
            }
            TokenTree::Ident(word) if word == "use" => {
                let length = rest.iter().take_while(|token| !is_sign(token, ';')).count();
                add_branches(&rest[..length], &[], &mut found);
                rest = &rest[length..];
            }
            TokenTree::Ident(word) if word == "crate" || word == "self" || word == "super" => {
                let mut path = vec![word.to_string()];
                while let [first, second, TokenTree::Ident(name), after @ ..] = rest
                    && is_sign(first, ':')
                    && is_sign(second, ':')
                {
                    path.push(name.to_string());
                    rest = after;
                }
                // `self` the value and `pub(super)` name nothing.
                if path.len() > 1 {
                    found.push(path);
                }
            }
            // `pub(in crate::load)` says who sees something, and imports nothing.
            TokenTree::Group(group) if !group.stream().to_string().starts_with("in ") => {
                found.extend(paths(group.stream()));
            }
            _ => {}
        }
    }
    found
}

/// Adds what a tree of `use` names behind `prefix`.
fn add_branches(tree: &[TokenTree], prefix: &[String], found: &mut Vec<Vec<String>>) {
    for branch in tree.split(|token| is_sign(token, ',')) {
        let mut path = prefix.to_vec();
        for token in branch {
            match token {
                TokenTree::Ident(word) if word == "as" => break,
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
                    add_branches(&tokens, &path, found);
                }
                _ => {}
            }
        }
        // A group has added its own; behind the last comma there is nothing.
        if branch
            .last()
            .is_some_and(|last| !matches!(last, TokenTree::Group(_)))
        {
            found.push(path);
        }
    }
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// Whether `#[cfg(test)]` goes on here, behind its first sign.
fn is_test_mark(rest: &[TokenTree]) -> bool {
    rest.first()
        .is_some_and(|token| token.to_string().replace(' ', "") == "[cfg(test)]")
}

/// How many tokens the item takes that these begin with: up to its semicolon or its braces.
fn item_length(tokens: &[TokenTree]) -> usize {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_sign(token, ';'),
    };
    tokens
        .iter()
        .position(is_end)
        .map_or(tokens.len(), |at| at + 1)
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let found = |files: &[(&str, &str)]| {
        let modules = files
            .iter()
            .map(|(name, text)| (format!("crate::{name}"), text.to_string()));
        circles(&modules.collect())
    };
    for import in [
        "use crate::ring::b::Thing;",
        "use super::b;",
        "use super::{c::Other, b::{self, Thing as It}};",
        "pub(crate) use crate::{ring::b::*};",
        "fn f() { super::b::g(); }",
        "fn f(thing: &[crate::ring::b::Thing]) { use std::mem; }",
    ] {
        let ring = [
            ("ring::a", import),
            ("ring::b", "use super::c::Other;"),
            ("ring::c", "use super::a::Same;"),
        ];
        assert!(found(&ring).len() >= 3, "{import}");
    }
    for no_import in [
        "// use super::b::Thing;",
        "/// See [`super::b::Thing`].",
        "pub(in crate::ring::b) fn f() { g(\"super::b\"); }",
        "#[cfg(test)] use super::b::Thing;",
        "#[cfg(test)] mod tests { use super::super::b::Thing; }",
        "use b::Thing; use std::b::Thing;",
    ] {
        let ring = [("ring::a", no_import), ("ring::b", "use super::a::Same;")];
        assert_eq!(found(&ring), [""; 0], "{no_import}");
    }
    // A folder: what it passes on, and what is its own.
    let folder = "mod a; mod b; pub use a::Thing; use self::b::g; struct RoomList;";
    for (import, is_circle) in [
        ("use super::RoomList;", false),
        ("impl super::RoomList { fn f() {} }", false),
        ("use super::{RoomList, Thing};", true),
        ("use super::LIMIT;", true),
        ("use super::*;", true),
    ] {
        let ring = [
            ("room_list", folder),
            ("room_list::a", "struct Thing;"),
            ("room_list::b", import),
        ];
        assert_eq!(!found(&ring).is_empty(), is_circle, "{import}");
    }
}
