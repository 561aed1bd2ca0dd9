//! The page's files and the guide, embedded in the binary.

use crate::core::site::File;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const TYPES: &str = "application/typescript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The file of that name under `assets/`, served at that name.
macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        asset!($name, concat!("/", $name), $content_type)
    };
    ($name:literal, $path:expr, $content_type:expr) => {
        File {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../assets/", $name)),
        }
    };
}

/// The guide: HTML that the build script has made of `assets/guide`.
pub(super) const GUIDE: &[File] = include!(concat!(env!("OUT_DIR"), "/guide.rs"));

/// What else is served besides the rooms.
pub(super) const FILES: &[File] = &[
    asset!("actions.js", SCRIPT),
    asset!("alarms.js", SCRIPT),
    asset!("alerts.js", SCRIPT),
    asset!("app.js", SCRIPT),
    asset!("board.css", STYLE),
    asset!("board.js", SCRIPT),
    asset!("chart.js", SCRIPT),
    asset!("chinese.js", SCRIPT),
    asset!("commands.js", SCRIPT),
    asset!("composer.js", SCRIPT),
    asset!("conversation.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("english.js", SCRIPT),
    asset!("entries.js", SCRIPT),
    asset!("favicon.svg", PICTURE),
    asset!("gate.css", STYLE),
    asset!("gate.js", SCRIPT),
    asset!("guide/guide.css", STYLE),
    asset!("index.html", "/", HTML),
    asset!("links.js", SCRIPT),
    asset!("locale.js", SCRIPT),
    asset!("message.js", SCRIPT),
    asset!("naming.js", SCRIPT),
    asset!("others.js", SCRIPT),
    asset!("outbox.js", SCRIPT),
    asset!("panels.js", SCRIPT),
    asset!("parlor.d.ts", TYPES),
    asset!("parlor.js", SCRIPT),
    asset!("people.js", SCRIPT),
    asset!("person.js", SCRIPT),
    asset!("pictures.js", SCRIPT),
    asset!("places.js", SCRIPT),
    asset!("room.js", SCRIPT),
    asset!("series.js", SCRIPT),
    asset!("sides.css", STYLE),
    asset!("siren.js", SCRIPT),
    asset!("status.js", SCRIPT),
    asset!("storage.js", SCRIPT),
    asset!("strings.js", SCRIPT),
    asset!("style.css", STYLE),
    asset!("text.js", SCRIPT),
    asset!("token.js", SCRIPT),
    asset!("welcome.js", SCRIPT),
];
