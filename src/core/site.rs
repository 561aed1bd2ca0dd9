//! The page and the guide: files that are served as they are, held ready in memory, compressed and not.

use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;

use crate::codec::http::encoding::Gzip;
use crate::core::net::frames::Frames;

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

/// A file in the forms that it is served in.
#[derive(Debug)]
pub(super) struct Asset {
    path: &'static str,
    content_type: &'static str,
    plain: Representation,
    /// Missing where it would save nothing.
    gzip: Option<Representation>,
}

/// One form of a file, and its entity tag, which no other has (RFC 9110 section 8.8.3).
#[derive(Debug)]
pub(super) struct Representation {
    /// The value of `Content-Encoding`, where there is one.
    coding: Option<&'static str>,
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
        let mut gzip = Gzip::default();
        let assets = files.iter().map(|file| Asset::new(file, &mut gzip));
        Self(assets.collect())
    }

    pub(super) fn asset(&self, path: &str) -> Option<&Asset> {
        self.0.iter().find(|asset| asset.path == path)
    }
}

impl Asset {
    fn new(file: &File, gzip: &mut Gzip) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(file.bytes);
        let hash = hasher.finish();
        // Once, before anyone asks: it takes longer than to send it.
        let shorter = gzip.shorten(file.bytes);
        Self {
            path: file.path,
            content_type: file.content_type,
            plain: Representation {
                coding: None,
                etag: format!("\"{hash:016x}\""),
                body: Frames::permanent(file.bytes),
            },
            gzip: shorter.map(|bytes| Representation {
                coding: Some("gzip"),
                etag: format!("\"{hash:016x}-gzip\""),
                body: Frames::permanent(&bytes),
            }),
        }
    }

    pub(super) fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// What to send to a client, who takes gzip or does not.
    pub(super) fn representation(&self, takes_gzip: bool) -> &Representation {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip);
        gzip.unwrap_or(&self.plain)
    }
}

impl Representation {
    pub(super) fn coding(&self) -> Option<&'static str> {
        self.coding
    }

    pub(super) fn etag(&self) -> &str {
        &self.etag
    }

    pub(super) fn body(&self) -> Rc<Frames> {
        Rc::clone(&self.body)
    }
}
