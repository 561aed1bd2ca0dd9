//! The build script: renders the guide, `assets/guide/*.md`, to HTML, and lists the results as files to serve.
//!
//! The binary contains the HTML, so that it needs no Markdown parser and no work at run time. `index.md` is the table of
//! contents: a page is added by its file and a line there. A page that is not listed, and a line without a page, end the
//! build.

mod render;
mod table;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use render::{Contents, Location, Page};

const FOLDER: &str = "assets/guide";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    println!("cargo::rerun-if-changed=src/guide");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(FOLDER);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files = String::from("&[\n");
    for (address, html) in render_guide(&folder, &env::var("CARGO_PKG_VERSION")?)? {
        let name = format!("{}.html", address.trim_start_matches('/').replace('/', "-"));
        fs::write(out.join(&name), html)?;
        writeln!(
            files,
            "    File {{ path: {address:?}, content_type: HTML, bytes: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")) }},"
        )?;
    }
    files.push_str("]\n");
    fs::write(out.join("guide.rs"), files)?;
    Ok(())
}

/// Each address of the guide, and the document that is served there.
fn render_guide(folder: &Path, version: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let sources = read_pages(folder)?;
    let template = fs::read_to_string(folder.join("page.html"))?;
    let index = sources.get("index").ok_or("there is no index.md")?;
    let contents = Contents::of(index)?;
    contents.check(sources.keys().map(String::as_str))?;
    let mut documents = Vec::new();
    for (address, location) in [("/guide", Location::GUIDE), ("/guide/", Location::FOLDER)] {
        let page = Page::render("index", index, location)?;
        let html = render::document(&template, &page, &contents, location, version);
        documents.push((address.to_owned(), html));
    }
    for (name, source) in sources.iter().filter(|(name, _)| *name != "index") {
        let page = Page::render(name, source, Location::FOLDER)?;
        let html = render::document(&template, &page, &contents, Location::FOLDER, version);
        documents.push((format!("/guide/{name}"), html));
    }
    Ok(documents)
}

/// The Markdown of each page, by its name.
fn read_pages(folder: &Path) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_stem().and_then(|name| name.to_str());
            let name = name.ok_or("the name of a page is not UTF-8")?;
            pages.insert(name.to_owned(), fs::read_to_string(&path)?);
        }
    }
    Ok(pages)
}
