//! The page's files, embedded in the binary.

use crate::core::site::File;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const STYLE: &str = "text/css; charset=utf-8";

/// What is served besides the rooms.
pub(super) const FILES: &[File] = &[
    File {
        path: "/app.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/app.js"),
    },
    File {
        path: "/composer.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/composer.js"),
    },
    File {
        path: "/connection.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/connection.js"),
    },
    File {
        path: "/favicon.svg",
        content_type: PICTURE,
        bytes: include_bytes!("../../assets/favicon.svg"),
    },
    File {
        path: "/",
        content_type: HTML,
        bytes: include_bytes!("../../assets/index.html"),
    },
    File {
        path: "/log.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/log.js"),
    },
    File {
        path: "/message.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/message.js"),
    },
    File {
        path: "/outbox.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/outbox.js"),
    },
    File {
        path: "/room.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/room.js"),
    },
    File {
        path: "/status.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/status.js"),
    },
    File {
        path: "/style.css",
        content_type: STYLE,
        bytes: include_bytes!("../../assets/style.css"),
    },
    File {
        path: "/text.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/text.js"),
    },
];
