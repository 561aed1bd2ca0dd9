//! The page's files, embedded in the binary.

use crate::core::site::File;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
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

/// What is served besides the rooms.
pub(super) const FILES: &[File] = &[
    asset!("app.js", SCRIPT),
    asset!("composer.js", SCRIPT),
    asset!("connection.js", SCRIPT),
    asset!("favicon.svg", PICTURE),
    asset!("index.html", "/", HTML),
    asset!("log.js", SCRIPT),
    asset!("message.js", SCRIPT),
    asset!("outbox.js", SCRIPT),
    asset!("parlor.js", SCRIPT),
    asset!("room.js", SCRIPT),
    asset!("status.js", SCRIPT),
    asset!("style.css", STYLE),
    asset!("text.js", SCRIPT),
];
