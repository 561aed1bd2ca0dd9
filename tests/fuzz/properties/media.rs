//! What a file is by its first bytes: no panic, and more of them change nothing that is known.

use parlor::codec::media::Media;

/// The first bytes decide how much comes at a time.
pub(crate) fn check(data: &[u8]) {
    let (choices, head) = data.split_at(data.len().min(4));
    let whole = Media::look("notes.txt", head, true).expect("all of it is here");
    let every = (0..=head.len()).collect();
    for cuts in [super::cuts(head, choices), every] {
        let known = cuts
            .iter()
            .find_map(|&end| Media::look("notes.txt", &head[..end], false));
        assert!(
            known.is_none_or(|known| known == whole),
            "{known:?}, {whole:?}"
        );
    }
    if let Some(size) = whole.size {
        assert!(size.width > 0 && size.height > 0, "{size:?}");
        assert!(whole.content_type.starts_with("image/"));
        assert!(Media::is_inline(whole.content_type), "it is shown in place");
    }
}
