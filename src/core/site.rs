//! The page and the guide: files that are served as they are, held ready in memory, compressed and not.

use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;

use crate::codec::http::encoding::Gzip;
use crate::core::net::frames::Frames;

/// A file to serve.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// The path it is served at, with its leading slash.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: &'a [u8],
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

/// What a browser is told so that nobody can run their script in the page. Who may frame it follows.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors";

/// What else a browser is told of each file.
pub(super) const SECURITY_FIELDS: [(&str, &str); 2] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
];

/// The `Content-Security-Policy` of a file that pages of these origins may frame.
pub(super) fn policy(ancestors: &[String]) -> String {
    let sources = ancestors.iter().filter(|origin| is_source(origin));
    let sources: Vec<&str> = sources.map(String::as_str).collect();
    match sources.is_empty() {
        true => format!("{POLICY} 'none'"),
        false => format!("{POLICY} {}", sources.join(" ")),
    }
}

/// Whether an origin can be written in a policy: a host may have characters that end a directive there.
fn is_source(origin: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/[]+*".contains(&byte);
    origin.bytes().all(is_plain)
}

impl Site {
    /// A site of these files.
    pub fn new(files: &[File<'_>]) -> Self {
        let mut gzip = Gzip::default();
        let assets = files.iter().map(|file| Asset::new(file, &mut gzip));
        Self(assets.collect())
    }

    pub(super) fn asset(&self, path: &str) -> Option<&Asset> {
        self.0.iter().find(|asset| asset.path == path)
    }
}

impl Asset {
    fn new(file: &File<'_>, gzip: &mut Gzip) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_frame_a_file() {
        let ancestors = |origins: &[&str]| {
            let origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
            let policy = policy(&origins);
            let (_, ancestors) = policy.split_once("frame-ancestors ").unwrap();
            ancestors.to_owned()
        };
        assert_eq!(ancestors(&[]), "'none'");
        assert_eq!(ancestors(&["*"]), "*");
        let two = ["https://a.example", "http://[::1]:3000"];
        assert_eq!(ancestors(&two), "https://a.example http://[::1]:3000");
        assert_eq!(ancestors(&["https://a;b", "https://a,b"]), "'none'");
    }
}
