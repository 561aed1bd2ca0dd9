//! The codes of the protocol are listed in one place each, and everything that repeats them agrees.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use parlor::codec::error_code::ErrorCode;
use parlor::codec::ws::close::CloseReason;

/// The texts of all files in `folder` and its folders that end in one of `endings`.
fn texts_in(folder: &Path, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(texts_in(&path, endings));
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

fn assets(endings: &[&str]) -> Vec<(String, String)> {
    texts_in(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("assets"),
        endings,
    )
}

fn asset(name: &str) -> String {
    let found = assets(&[name]).into_iter().find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("there is no {name}")).1
}

/// What follows the only line of the manual that begins with `heading`.
fn manual_after(heading: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let mut pages = assets(&[".md"]);
    pages.push(("README.md".to_owned(), readme.unwrap()));
    let heading = format!("\n{heading}\n");
    let mut found = pages
        .iter()
        .filter_map(|(_, text)| text.split_once(&heading));
    let (_, rest) = found
        .next()
        .unwrap_or_else(|| panic!("no line is {heading:?}"));
    assert!(found.next().is_none(), "{heading:?} is there twice");
    rest.to_owned()
}

/// The words of `text` that are made like a code and stand between these.
fn quoted(text: &str, quote: char) -> impl Iterator<Item = &str> {
    let is_code =
        |word: &&str| !word.is_empty() && word.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
    text.split(quote).skip(1).step_by(2).filter(is_code)
}

/// The codes of a union type in parlor.d.ts.
fn union(name: &str) -> Vec<String> {
    let types = asset("parlor.d.ts");
    let start = format!("export type {name} =");
    let (_, rest) = types.split_once(&start).unwrap();
    let (codes, _) = rest.split_once(';').unwrap();
    quoted(codes, '\'').map(str::to_owned).collect()
}

fn codes() -> Vec<&'static str> {
    ErrorCode::ALL.map(ErrorCode::as_str).to_vec()
}

#[test]
fn no_two_error_codes_are_the_same() {
    let distinct: BTreeSet<&str> = codes().into_iter().collect();
    assert_eq!(distinct.len(), ErrorCode::ALL.len());
}

#[test]
fn the_manual_has_the_table_of_error_codes() {
    let rows = ErrorCode::ALL.map(|code| format!("| `{code}` | {} |\n", code.meaning()));
    let table = format!("\n| code | meaning |\n|---|---|\n{}\n", rows.concat());
    let manual = manual_after("## Error codes");
    assert!(
        manual.starts_with(&table),
        "below \"## Error codes\" has to be:\n{table}"
    );
}

#[test]
fn the_types_of_the_client_have_the_error_codes() {
    assert_eq!(union("ErrorCode"), codes());
}

#[test]
fn the_page_knows_no_other_error_codes() {
    let own = union("ClientErrorCode");
    let known: BTreeSet<&str> = codes()
        .into_iter()
        .chain(own.iter().map(String::as_str))
        .collect();
    for name in ["english.js", "chinese.js"] {
        let text = asset(name);
        let maps = [
            "failure: (code) => ({",
            "notDelivered: (code) => ({",
            "refusals: {",
        ];
        for start in maps {
            let (_, rest) = text.split_once(start).unwrap();
            let (map, _) = rest.split_once("\n  }").unwrap();
            let keys = map.lines().filter_map(|line| {
                let key = line.strip_prefix("    ")?.split_once(':')?.0;
                (!key.starts_with(' ')).then_some(key)
            });
            let keys: Vec<&str> = keys.collect();
            assert!(keys.len() >= 3, "{name}: {start} was not found");
            for key in keys {
                assert!(known.contains(key), "{name}: {start} has {key}");
            }
        }
    }
}

#[test]
fn scripts_compare_with_error_codes_that_there_are() {
    let own = union("ClientErrorCode");
    let mut compared = 0;
    for (name, text) in assets(&[".js"]) {
        let text = text.replace("typeof code === ", "");
        let behind = ["code === '", "code !== '", "ParlorError('"];
        for found in behind.iter().flat_map(|start| text.split(start).skip(1)) {
            let code = found.split('\'').next().unwrap();
            let is_known = codes().contains(&code) || own.iter().any(|known| known == code);
            assert!(is_known, "{name}: {code} is no error code");
            compared += 1;
        }
    }
    assert!(compared > 15, "{compared} comparisons were found");
}

/// The reasons in the manual's table, each with its code.
fn reasons_in_manual() -> BTreeSet<(u16, String)> {
    let manual = manual_after("## Codes and reasons");
    let rows = manual.lines().skip(3).take_while(|it| it.starts_with('|'));
    let reasons = rows.filter_map(|row| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let code = cells.next()?.parse().ok()?;
        let reason = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        Some((code, reason.to_owned()))
    });
    reasons.collect()
}

#[test]
fn the_manual_has_the_close_reasons() {
    // Which rule of RFC 6455 was broken is one row.
    let named = CloseReason::ALL.into_iter().filter(|it| it.code() != 1002);
    let reasons: BTreeSet<(u16, String)> = named
        .map(|it| (it.code(), it.phrase().to_owned()))
        .collect();
    assert_eq!(reasons_in_manual(), reasons);
}
