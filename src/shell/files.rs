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

/// What else is served besides the rooms. What programs import has an address of its own, whatever folder it is in.
pub(super) const FILES: &[File] = &[
    asset!("board/alarms.js", SCRIPT),
    asset!("board/board.css", STYLE),
    asset!("board/board.js", SCRIPT),
    asset!("board/chart.js", SCRIPT),
    asset!("board/series.js", SCRIPT),
    asset!("board/siren.js", SCRIPT),
    asset!("client/parlor.d.ts", "/parlor.d.ts", TYPES),
    asset!("client/parlor.js", "/parlor.js", SCRIPT),
    asset!("client/parlor.js", SCRIPT),
    asset!("guide/guide.css", STYLE),
    asset!("page/actions.js", SCRIPT),
    asset!("page/alerts.js", SCRIPT),
    asset!("page/app.js", SCRIPT),
    asset!("page/attach.js", SCRIPT),
    asset!("page/chinese.js", SCRIPT),
    asset!("page/commands.js", SCRIPT),
    asset!("page/composer.js", SCRIPT),
    asset!("page/conversation.js", SCRIPT),
    asset!("page/dom.js", SCRIPT),
    asset!("page/english.js", SCRIPT),
    asset!("page/entries.js", SCRIPT),
    asset!("page/favicon.svg", "/favicon.svg", PICTURE),
    asset!("page/files.css", STYLE),
    asset!("page/files.js", SCRIPT),
    asset!("page/gate.css", STYLE),
    asset!("page/gate.js", SCRIPT),
    asset!("page/index.html", "/", HTML),
    asset!("page/links.js", SCRIPT),
    asset!("page/locale.js", SCRIPT),
    asset!("page/message.js", SCRIPT),
    asset!("page/naming.js", SCRIPT),
    asset!("page/others.js", SCRIPT),
    asset!("page/outbox.js", SCRIPT),
    asset!("page/panels.js", SCRIPT),
    asset!("page/people.js", SCRIPT),
    asset!("page/person.js", SCRIPT),
    asset!("page/pictures.js", SCRIPT),
    asset!("page/places.js", SCRIPT),
    asset!("page/room.js", SCRIPT),
    asset!("page/search.css", STYLE),
    asset!("page/search.js", SCRIPT),
    asset!("page/sides.css", STYLE),
    asset!("page/status.js", SCRIPT),
    asset!("page/storage.js", SCRIPT),
    asset!("page/strings.js", SCRIPT),
    asset!("page/style.css", STYLE),
    asset!("page/text.js", SCRIPT),
    asset!("page/token.js", SCRIPT),
    asset!("page/welcome.js", SCRIPT),
];
