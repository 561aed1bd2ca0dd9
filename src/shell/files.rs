//! The page's files and the guide, embedded in the binary, and the service worker, which knows the others.

use std::hash::{DefaultHasher, Hasher};

use crate::core::site::File;

const HTML: &str = "text/html; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const PIXELS: &str = "image/png";
const MANIFEST: &str = "application/manifest+json";
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
pub(super) const GUIDE: &[File<'_>] = include!(concat!(env!("OUT_DIR"), "/guide.rs"));

/// What else is served besides the rooms. What programs import has an address of its own, whatever folder it is in.
pub(super) const FILES: &[File<'_>] = &[
    asset!("board/alarms.js", SCRIPT),
    asset!("board/board.css", STYLE),
    asset!("board/board.js", SCRIPT),
    asset!("board/chart-dialog.js", SCRIPT),
    asset!("board/chart.js", SCRIPT),
    asset!("board/charts.css", STYLE),
    asset!("board/csv.js", SCRIPT),
    asset!("board/describe.js", SCRIPT),
    asset!("board/empty.js", SCRIPT),
    asset!("board/grouping.js", SCRIPT),
    asset!("board/past.js", SCRIPT),
    asset!("board/plot.js", SCRIPT),
    asset!("board/reading.js", SCRIPT),
    asset!("board/scale.js", SCRIPT),
    asset!("board/series.js", SCRIPT),
    asset!("board/siren.js", SCRIPT),
    asset!("board/toolbar.js", SCRIPT),
    asset!("board/view.js", SCRIPT),
    asset!("board/window.js", SCRIPT),
    asset!("client/parlor.d.ts", "/parlor.d.ts", TYPES),
    asset!("client/parlor.js", "/parlor.js", SCRIPT),
    asset!("client/parlor.js", SCRIPT),
    asset!("guide/guide.css", STYLE),
    asset!("install/icon-192.png", PIXELS),
    asset!("install/icon-512.png", PIXELS),
    asset!(
        "install/manifest.webmanifest",
        "/manifest.webmanifest",
        MANIFEST
    ),
    asset!("install/maskable-192.png", PIXELS),
    asset!("install/maskable-512.png", PIXELS),
    asset!("install/maskable.svg", PICTURE),
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
    asset!("page/install.js", SCRIPT),
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
    asset!("page/push-dialog.js", SCRIPT),
    asset!("page/push.css", STYLE),
    asset!("page/push.js", SCRIPT),
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

/// The address of the service worker: at the root, so that the whole page is its own.
pub(super) const WORKER_PATH: &str = "/sw.js";

/// The service worker of the installed page: it is another script whenever one of the page's files is another.
pub(super) fn worker() -> String {
    let shell = || FILES.iter().filter(|file| is_shell(file));
    let mut hasher = DefaultHasher::new();
    for file in shell() {
        hasher.write(file.path.as_bytes());
        hasher.write(file.bytes);
    }
    let names = shell().map(|file| format!(".{}", file.path));
    format!(
        "const VERSION = \"{:016x}\";\nconst SHELL = {:?};\n{}",
        hasher.finish(),
        names.collect::<Vec<_>>(),
        include_str!("../../assets/install/worker.js")
    )
}

/// Whether a file is one of those that the page is made of.
fn is_shell(file: &File<'_>) -> bool {
    file.content_type != TYPES && file.path != "/parlor.js" && !file.path.starts_with("/guide/")
}
