//! Replies of Redis: no panic, and the same ones whatever the parts in which they come.

use parlor::codec::resp::{Reply, parse};

use super::cuts;

pub(crate) fn check(data: &[u8]) {
    let (choices, input) = data.split_at(data.len().min(8));
    let (whole, rest) = replies(input);
    let mut parts = Vec::new();
    let mut kept = Vec::new();
    let mut is_over = false;
    let mut from = 0;
    for cut in cuts(input, choices) {
        kept.extend_from_slice(&input[from..cut]);
        from = cut;
        if !is_over {
            let (more, rest) = replies(&kept);
            parts.extend(more);
            match rest {
                Some(length) => drop(kept.drain(..kept.len() - length)),
                None => is_over = true,
            }
        }
    }
    assert_eq!(parts, whole);
    assert_eq!(is_over, rest.is_none());
    assert!(is_over || rest == Some(kept.len()));
}

/// The replies, and how many bytes are left of one that is unfinished; `None` if it is no reply.
fn replies(mut input: &[u8]) -> (Vec<Reply>, Option<usize>) {
    let mut replies = Vec::new();
    loop {
        match parse(input) {
            Ok(Some((reply, length))) => {
                input = &input[length..];
                replies.push(reply);
            }
            Ok(None) => return (replies, Some(input.len())),
            Err(_) => return (replies, None),
        }
    }
}
