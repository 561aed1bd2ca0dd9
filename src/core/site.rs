//! The page: files that are served as they are, held ready in memory.

use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;

use super::frames::Frames;

/// A file to serve.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// The path it is served at, with its leading slash.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

/// The files a server serves.
#[derive(Debug)]
pub struct Site(Vec<Asset>);

/// A file and its entity tag (RFC 9110 section 8.8.3).
#[derive(Debug)]
pub(super) struct Asset {
    path: &'static str,
    content_type: &'static str,
    etag: String,
    body: Rc<Frames>,
}

/// What a browser is told so that nobody can run their script in the page, or frame it.
pub(super) const SECURITY_FIELDS: [(&str, &str); 3] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
];

impl Site {
    /// A site of these files.
    pub fn new(files: &[File]) -> Self {
        Self(files.iter().map(Asset::new).collect())
    }

    pub(super) fn asset(&self, path: &str) -> Option<&Asset> {
        self.0.iter().find(|asset| asset.path == path)
    }
}

impl Asset {
    fn new(file: &File) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(file.bytes);
        Self {
            path: file.path,
            content_type: file.content_type,
            etag: format!("\"{:016x}\"", hasher.finish()),
            body: Frames::permanent(file.bytes),
        }
    }

    pub(super) fn etag(&self) -> &str {
        &self.etag
    }

    pub(super) fn content_type(&self) -> &'static str {
        self.content_type
    }

    pub(super) fn body(&self) -> Rc<Frames> {
        Rc::clone(&self.body)
    }
}
