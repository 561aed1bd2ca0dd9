//! The size at which a JPEG picture is shown: that of its frame (ITU T.81, annex B), turned as the camera was held (Exif).

use super::{Look, Size, be16, be32, le16, size};

pub(super) const TYPE: &str = "image/jpeg";

/// Markers: the end of the picture, the beginning of its data, and what an application has to say.
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const APP1: u8 = 0xe1;

/// The tag of the orientation, and the number of the tags that are looked at for it: cameras write some ten.
const ORIENTATION: u32 = 0x0112;
const MAX_TAGS: usize = 64;

pub(super) fn is_one(head: &[u8]) -> bool {
    head.starts_with(&[0xff, 0xd8, 0xff])
}

/// Walks through the segments up to that of the frame.
pub(super) fn look(head: &[u8]) -> Look {
    let mut is_turned = false;
    let mut at = 2;
    loop {
        // A marker may have more than one byte of 0xff in front.
        while head.get(at) == Some(&0xff) && head.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let Some(&[fill, marker]) = head.get(at..at + 2).and_then(|it| it.first_chunk()) else {
            return Look::More;
        };
        if fill != 0xff || matches!(marker, END | SCAN) {
            return Look::picture(TYPE, None);
        }
        at += 2;
        // Without a length: restarts, and a private one.
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            continue;
        }
        let Some(length) = head.get(at..at + 2).map(|it| be16(it, 0) as usize) else {
            return Look::More;
        };
        let Some(segment) = head.get(at + 2..at + length.max(2)) else {
            return Look::More;
        };
        if is_frame(marker) {
            return Look::picture(TYPE, frame_size(segment, is_turned));
        }
        if marker == APP1 {
            is_turned |= orientation(segment).is_some_and(|it| (5..=8).contains(&it));
        }
        at += length.max(2);
    }
}

/// The start of a frame of any kind; between them stand tables and an extension.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

fn frame_size(segment: &[u8], is_turned: bool) -> Option<Size> {
    if segment.len() < 5 {
        return None;
    }
    let (height, width) = (be16(segment, 1), be16(segment, 3));
    match is_turned {
        true => size(height, width),
        false => size(width, height),
    }
}

/// How the camera was held (Exif 2.3, section 4.6.4): from 5 to 8 upright. It is among the first tags of a TIFF file that
/// stands in the segment.
fn orientation(segment: &[u8]) -> Option<u32> {
    let tiff = segment.strip_prefix(b"Exif\0\0")?;
    let is_little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let number16 = |at: usize| {
        let two = tiff.get(at..at.checked_add(2)?)?;
        Some(if is_little {
            le16(two, 0)
        } else {
            be16(two, 0)
        })
    };
    let number32 = |at: usize| {
        let four = tiff.get(at..at.checked_add(4)?)?;
        let little = le16(four, 0) | le16(four, 2) << 16;
        Some(if is_little { little } else { be32(four, 0) })
    };
    let tags = number32(4)? as usize;
    let count = (number16(tags)? as usize).min(MAX_TAGS);
    let entries = (0..count).map(|index| tags + 2 + 12 * index);
    let mut entries = entries.filter(|&at| number16(at) == Some(ORIENTATION));
    number16(entries.next()? + 8)
}
