use proptest::prelude::*;

use super::*;

fn look_at(name: &str, head: &[u8]) -> (&'static str, Option<(u32, u32)>) {
    let media = Media::look(name, head, true).unwrap();
    let size = media.size.map(|size| (size.width, size.height));
    (media.content_type, size)
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend_from_slice(&width.to_be_bytes());
    bytes.extend_from_slice(&height.to_be_bytes());
    bytes
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], &length[..], body].concat()
}

/// A picture of 640 by 480 pixels that was turned so, behind so many bytes of something else.
fn jpeg(orientation: Option<u16>, is_little: bool, before: usize) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    if let Some(orientation) = orientation {
        let mut exif = b"Exif\0\0".to_vec();
        let two = |n: u16| {
            if is_little {
                n.to_le_bytes()
            } else {
                n.to_be_bytes()
            }
        };
        let four = |n: u32| {
            if is_little {
                n.to_le_bytes()
            } else {
                n.to_be_bytes()
            }
        };
        exif.extend_from_slice(if is_little { b"II*\0" } else { b"MM\0*" });
        exif.extend_from_slice(&four(8));
        exif.extend_from_slice(&two(2));
        for (tag, value) in [(0x010f, 3), (0x0112, orientation)] {
            exif.extend_from_slice(&two(tag));
            exif.extend_from_slice(&two(3));
            exif.extend_from_slice(&four(1));
            exif.extend_from_slice(&two(value));
            exif.extend_from_slice(&two(0));
        }
        bytes.extend(segment(0xe1, &exif));
    }
    for _ in 0..before / 60_000 {
        bytes.extend(segment(0xe2, &[7; 60_000]));
    }
    bytes.extend(segment(0xdb, &[1; 65]));
    bytes.push(0xff);
    bytes.extend(segment(0xc2, &[8, 1, 224, 2, 128, 3]));
    bytes
}

#[test]
fn pictures_and_their_sizes() {
    assert_eq!(
        look_at("a.png", &png(3, 70_000)),
        ("image/png", Some((3, 70_000)))
    );
    assert_eq!(look_at("a.html", &png(3, 0)), ("image/png", None));
    let gif = b"GIF89a\x40\x01\xf0\x00";
    assert_eq!(look_at("a", gif), ("image/gif", Some((320, 240))));
    let lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x40\x41\xf0\x00";
    assert_eq!(look_at("a", lossy), ("image/webp", Some((320, 240))));
    let lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x3f\xc1\x3b\x00";
    assert_eq!(look_at("a", lossless), ("image/webp", Some((320, 240))));
    let extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x3f\x01\0\xef\0\0";
    assert_eq!(look_at("a", extended), ("image/webp", Some((320, 240))));
}

#[test]
fn a_photograph_is_as_large_as_it_is_shown() {
    let upright = Some((480, 640));
    let lying = Some((640, 480));
    for (orientation, size) in [
        (None, lying),
        (Some(1), lying),
        (Some(3), lying),
        (Some(6), upright),
        (Some(8), upright),
    ] {
        for is_little in [false, true] {
            let photograph = jpeg(orientation, is_little, 0);
            assert_eq!(
                look_at("a", &photograph),
                (jpeg::TYPE, size),
                "{orientation:?}"
            );
        }
    }
    let long = jpeg(Some(6), true, 180_000);
    assert_eq!(look_at("a", &long), (jpeg::TYPE, upright));
    assert_eq!(Media::look("a", &long[..100_000], false), None);
    assert_eq!(look_at("a", &long[..100_000]), (jpeg::TYPE, None));
    let longer = jpeg(None, true, 600_000);
    let media = Media::look("a", &longer[..MAX_LOOKED_AT], false).unwrap();
    assert_eq!((media.content_type, media.size), (jpeg::TYPE, None));
}

#[test]
fn sound_and_video() {
    for (head, content_type) in [
        (&b"ID3\x04"[..], "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"fLaC", "audio/flac"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (
            b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead",
            "audio/ogg",
        ),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "audio/mp4"),
        (b"\0\0\0\x20ftypisom\0\0\0\0", "video/mp4"),
        (
            b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm",
            "video/webm",
        ),
    ] {
        assert_eq!(look_at("a.txt", head).0, content_type);
        assert!(Media::is_inline(content_type), "{content_type}");
    }
}

#[test]
fn what_could_hold_a_script_is_saved() {
    for (name, head, content_type) in [
        ("a.svg", "<svg xmlns=", "application/octet-stream"),
        ("a.html", "<!doctype html>", "application/octet-stream"),
        ("a.xml", "<?xml version", "application/octet-stream"),
        ("a.PDF", "%PDF-1.7", "application/pdf"),
        ("a.png", "<script>", "application/octet-stream"),
        ("report.txt", "hello", "text/plain; charset=utf-8"),
        ("", "", "application/octet-stream"),
        ("tar", "hello", "application/octet-stream"),
    ] {
        assert_eq!(
            look_at(name, head.as_bytes()),
            (content_type, None),
            "{name}"
        );
        assert!(!Media::is_inline(content_type), "{content_type}");
    }
}

proptest! {
    /// What is known once stays known, however much comes at a time.
    #[test]
    fn more_bytes_change_nothing(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            Just(jpeg(Some(6), false, 60_000)),
            prop::collection::vec(any::<u8>(), 0..300)
                .prop_map(|rest| [&[0xff, 0xd8, 0xff], &rest[..]].concat()),
        ],
        cut: prop::sample::Index,
    ) {
        let cut = cut.index(bytes.len() + 1);
        if let Some(early) = Media::look("a.txt", &bytes[..cut], false) {
            prop_assert_eq!(Media::look("a.txt", &bytes, true), Some(early));
        }
        prop_assert!(Media::look("a.txt", &bytes, true).is_some());
    }
}
