//! What a file is: told by its first bytes where browsers show it, else by the end of its name. What whoever has sent it
//! says of it does not count.

use serde::{Deserialize, Deserializer, Serialize};

mod jpeg;
mod webp;

/// Bytes at the front of a file that are looked at: in a JPEG the size stands behind what a camera has to say, which may
/// take several segments of 64 KiB.
pub const MAX_LOOKED_AT: usize = 256 << 10;

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Media {
    /// Its media type.
    pub content_type: &'static str,
    /// The size at which a picture is shown, in pixels.
    pub size: Option<Size>,
}

/// The size of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// What is known after a part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// More of the file may tell.
    More,
    /// It is nothing that browsers show.
    Other,
    Known(Media),
}

/// The same as another process tells it.
#[derive(Deserialize)]
struct Told {
    content_type: Box<str>,
    size: Option<Size>,
}

impl<'de> Deserialize<'de> for Media {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Told { content_type, size } = Told::deserialize(deserializer)?;
        let known = TYPES.iter().map(|(_, known)| *known);
        let mut known = SHOWN.into_iter().chain(known);
        Ok(Self {
            content_type: known.find(|it| **it == *content_type).unwrap_or(OTHER),
            size,
        })
    }
}

impl Look {
    fn picture(content_type: &'static str, size: Option<Size>) -> Self {
        Self::Known(Media { content_type, size })
    }

    fn stream(content_type: &'static str) -> Self {
        Self::picture(content_type, None)
    }
}

impl Media {
    /// What nothing is known of.
    pub const OTHER: Self = Self {
        content_type: OTHER,
        size: None,
    };

    /// What a file of this name is that begins with these bytes; `None` if more of them may tell. `is_whole`: no more will
    /// come.
    pub fn look(name: &str, head: &[u8], is_whole: bool) -> Option<Self> {
        let mut padded = [0; SIGNATURE];
        let signature = match is_whole && head.len() < SIGNATURE {
            true => {
                padded[..head.len()].copy_from_slice(head);
                &padded
            }
            false => head,
        };
        match look(signature) {
            Look::Known(media) => Some(media),
            Look::More if !is_whole && head.len() < MAX_LOOKED_AT => None,
            // A JPEG whose size is not found is still one.
            Look::More if jpeg::is_one(head) => Some(Self {
                content_type: jpeg::TYPE,
                size: None,
            }),
            Look::More | Look::Other => Some(Self {
                content_type: type_by_name(name),
                size: None,
            }),
        }
    }

    /// Whether browsers may show a file of this type in place: pictures made of pixels, sound and video. Not what can hold a
    /// script, as SVG and PDF do.
    pub fn is_inline(content_type: &str) -> bool {
        SHOWN.contains(&content_type)
    }
}

/// What `look` finds.
const SHOWN: [&str; 12] = [
    "image/png",
    jpeg::TYPE,
    "image/gif",
    "image/webp",
    "image/avif",
    "audio/mpeg",
    "audio/flac",
    "audio/ogg",
    "audio/wav",
    "audio/mp4",
    "video/mp4",
    "video/webm",
];

const OTHER: &str = "application/octet-stream";

/// Types by the end of a name, of what is saved and not shown. What a browser could run is not among them.
const TYPES: [(&str, &str); 16] = [
    ("csv", "text/csv; charset=utf-8"),
    ("doc", "application/msword"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("epub", "application/epub+zip"),
    ("gz", "application/gzip"),
    ("json", "application/json"),
    ("log", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("pdf", "application/pdf"),
    (
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("tar", "application/x-tar"),
    ("txt", "text/plain; charset=utf-8"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

fn type_by_name(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let known = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(end));
    known.map_or(OTHER, |(_, content_type)| content_type)
}

/// Bytes that tell all formats apart.
const SIGNATURE: usize = 40;

fn look(head: &[u8]) -> Look {
    if head.len() < SIGNATURE {
        return Look::More;
    }
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => {
            Look::picture("image/png", size(be32(head, 16), be32(head, 20)))
        }
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => {
            Look::picture("image/gif", size(le16(head, 6), le16(head, 8)))
        }
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Look::picture("image/webp", webp::size(head)),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            ..,
        ] => Look::stream("audio/wav"),
        _ if jpeg::is_one(head) => jpeg::look(head),
        [b'I', b'D', b'3', ..] | [0xff, 0xfb | 0xf3 | 0xf2, ..] => Look::stream("audio/mpeg"),
        [b'f', b'L', b'a', b'C', ..] => Look::stream("audio/flac"),
        // The first page of sound; that of video names another codec (RFC 3533, RFC 5334).
        [b'O', b'g', b'g', b'S', ..] if is_sound(&head[28..]) => Look::stream("audio/ogg"),
        // EBML, and its type.
        [0x1a, 0x45, 0xdf, 0xa3, ..] if head.windows(4).any(|it| it == b"webm") => {
            Look::stream("video/webm")
        }
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => of_brand(&brand[..4]),
        _ => Look::Other,
    }
}

fn is_sound(packet: &[u8]) -> bool {
    let codecs: [&[u8]; 4] = [b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex"];
    codecs.iter().any(|codec| packet.starts_with(codec))
}

/// The brand of a file in the base media format (ISO 14496-12).
fn of_brand(brand: &[u8]) -> Look {
    match brand {
        b"M4A " | b"M4B " => Look::stream("audio/mp4"),
        b"avif" | b"avis" => Look::stream("image/avif"),
        b"isom" | b"iso2" | b"iso4" | b"iso5" | b"iso6" | b"mp41" | b"mp42" | b"avc1" | b"M4V "
        | b"dash" => Look::stream("video/mp4"),
        _ => Look::Other,
    }
}

fn size(width: u32, height: u32) -> Option<Size> {
    (width > 0 && height > 0).then_some(Size { width, height })
}

fn be16(bytes: &[u8], at: usize) -> u32 {
    u32::from(bytes[at]) << 8 | u32::from(bytes[at + 1])
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    be16(bytes, at) << 16 | be16(bytes, at + 2)
}

fn le16(bytes: &[u8], at: usize) -> u32 {
    u32::from(bytes[at + 1]) << 8 | u32::from(bytes[at])
}

#[cfg(test)]
mod tests;
