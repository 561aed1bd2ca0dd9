//! The message that tells of a file: `{"file":{"name":"report.pdf","type":"application/pdf","bytes":48210,"href":"/files/…"}}`.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// All but what stands in a path as it is (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is told of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts<'a> {
    /// Its name, for people.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Its media type.
    #[serde(borrow, rename = "type")]
    pub content_type: Cow<'a, str>,
    /// Its length.
    pub bytes: u64,
    /// Where it is, on the server that tells it: a path.
    #[serde(borrow)]
    pub href: Cow<'a, str>,
    /// The width at which a picture is shown, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Its height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    file: FileFacts<'a>,
}

/// The path of a file of this id and name.
pub fn href(id: &str, name: &str) -> String {
    format!("/files/{id}/{}", utf8_percent_encode(name, ENCODED))
}

impl<'a> FileFacts<'a> {
    /// The body of the message.
    pub fn to_json(&self) -> String {
        let file = self.clone();
        serde_json::to_string(&Told { file }).expect("texts and numbers are JSON")
    }

    /// What a message tells of a file, if it is such a message. Anybody may have written it.
    pub fn parse(json: &'a str) -> Option<Self> {
        // Nearly no message is.
        let starts_so = json.trim_start().starts_with("{\"file\"");
        let told: Told<'a> = starts_so.then(|| serde_json::from_str(json).ok())??;
        told.file.href.starts_with("/files/").then_some(told.file)
    }

    /// The same in a line, with an address that opens: `report.pdf (48 kB) http://localhost:8080/files/…`.
    pub fn to_line(&self, server: &str) -> String {
        let Self {
            name, bytes, href, ..
        } = self;
        format!("{name} ({}) {server}{href}", shown_bytes(*bytes))
    }
}

/// A length as people read it, in the units of the SI.
pub fn shown_bytes(bytes: u64) -> String {
    let (mut shown, mut unit) = (bytes as f64, "bytes");
    for larger in ["kB", "MB", "GB", "TB"] {
        // From here on it would be shown as 1000.
        if shown < 999.5 {
            break;
        }
        (shown, unit) = (shown / 1000.0, larger);
    }
    match unit {
        "bytes" => format!("{bytes} bytes"),
        _ if shown < 9.95 => format!("{shown:.1} {unit}"),
        _ => format!("{shown:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts() -> FileFacts<'static> {
        FileFacts {
            name: "my cat.png".into(),
            content_type: "image/png".into(),
            bytes: 1_234_567,
            href: href("0a", "my cat.png").into(),
            width: Some(640),
            height: Some(480),
        }
    }

    #[test]
    fn a_file_is_told_of() {
        let json = facts().to_json();
        assert_eq!(
            json,
            r#"{"file":{"name":"my cat.png","type":"image/png","bytes":1234567,"href":"/files/0a/my%20cat.png","width":640,"height":480}}"#
        );
        assert_eq!(FileFacts::parse(&json), Some(facts()));
        assert_eq!(
            facts().to_line("http://localhost:8080"),
            "my cat.png (1.2 MB) http://localhost:8080/files/0a/my%20cat.png"
        );
        let plain = FileFacts {
            width: None,
            height: None,
            ..facts()
        };
        assert!(!plain.to_json().contains("width"));
    }

    #[test]
    fn other_messages_tell_of_none() {
        for json in [
            "{}",
            "{\"file\":1}",
            "[1]",
            r#"{"file":{"name":"a","type":"b","bytes":1}}"#,
            r#"{"file":{"name":"a","type":"b","bytes":1,"href":"javascript:alert(1)"}}"#,
            r#"{"file":{"name":"a","type":"b","bytes":1,"href":"//evil.example/files/"}}"#,
        ] {
            assert_eq!(FileFacts::parse(json), None, "{json}");
        }
    }

    #[test]
    fn lengths_are_short_to_read() {
        for (bytes, shown) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_951, "10 kB"),
            (48_210, "48 kB"),
            (999_499, "999 kB"),
            (999_501, "1.0 MB"),
            (26_214_400, "26 MB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(shown_bytes(bytes), shown);
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "\\PC{1,30}") {
            let facts = FileFacts { href: href("0a", &name).into(), name: name.into(), ..facts() };
            prop_assert!(facts.href.bytes().all(|byte| byte.is_ascii_graphic()));
            let json = facts.to_json();
            prop_assert_eq!(FileFacts::parse(&json), Some(facts));
        }
    }
}
