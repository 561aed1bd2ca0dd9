use proptest::prelude::*;

use super::*;

/// A frame as a client sends it.
fn client_frame(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut out = vec![opcode | if fin { 0x80 } else { 0 }];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0xfe);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0xff);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    frame::apply_mask(&mut out[start..], mask, 0);
    out
}

/// Feeds `parts` one after the other, as a connection does, and describes what came out.
fn decode_parts<'p>(parts: impl IntoIterator<Item = &'p [u8]>, max_message: usize) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut tail = Vec::new();
    let mut seen = Vec::new();
    for part in parts {
        tail.extend_from_slice(part);
        let mut input = tail.as_mut_slice();
        loop {
            match decoder.decode(&mut input, max_message, false) {
                Ok(Some(event)) => seen.push(format!("{event:?}")),
                Ok(None) => break,
                Err(reason) => {
                    seen.push(format!("{reason:?}"));
                    return seen;
                }
            }
        }
        assert!(input.len() < 14, "only a header may be left over");
        tail = input.to_vec();
    }
    seen
}

fn decode_all(input: &[u8]) -> Vec<String> {
    decode_parts([input], 1 << 20)
}

fn message(kind: Kind, payload: &[u8]) -> String {
    format!("{:?}", Incoming::Message(kind, payload))
}

fn reason(reason: CloseReason) -> String {
    format!("{reason:?}")
}

#[test]
fn fragments_with_a_ping_between() {
    let mut input = client_frame(false, 1, "hé".as_bytes());
    input.extend(client_frame(true, 9, b"?"));
    input.extend(client_frame(false, 0, b""));
    input.extend(client_frame(true, 0, b"llo"));
    let ping = format!("{:?}", Incoming::Ping(b"?"));
    assert_eq!(
        decode_all(&input),
        [ping, message(Kind::Text, "héllo".as_bytes())]
    );
}

#[test]
fn fragments_out_of_sequence() {
    assert_eq!(
        decode_all(&client_frame(true, 0, b"x")),
        [reason(CloseReason::StrayContinuation)]
    );
    let mut input = client_frame(false, 1, b"a");
    input.extend(client_frame(true, 1, b"b"));
    assert_eq!(decode_all(&input), [reason(CloseReason::NestedMessage)]);
}

#[test]
fn invalid_text_fails_before_the_frame_ends() {
    let frame = client_frame(true, 1, b"ok \xff and much more that never has to arrive");
    let invalid = format!("{:?}", CloseReason::InvalidUtf8);
    assert_eq!(decode_parts([&frame[..10]], 1 << 20), [invalid.as_str()]);
    let mut fragmented = client_frame(false, 1, b"\xce\xba\xe1");
    fragmented.extend(client_frame(false, 0, b"\x41"));
    assert_eq!(decode_all(&fragmented), [invalid.as_str()]);
    // A character cut off at the end of the message.
    let mut cut = client_frame(false, 1, b"ab");
    cut.extend(client_frame(true, 0, b"\xf0\x9f"));
    assert_eq!(decode_all(&cut), [invalid.as_str()]);
}

#[test]
fn a_declared_length_is_refused_before_its_payload() {
    let too_big = format!("{:?}", CloseReason::TooBig);
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&(i64::MAX as u64).to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    assert_eq!(decode_parts([header.as_slice()], 10), [too_big.as_str()]);
    let mut fragments = client_frame(false, 2, &[0; 6]);
    fragments.extend(client_frame(true, 0, &[0; 5]));
    assert_eq!(decode_parts([fragments.as_slice()], 10), [too_big.as_str()]);
    assert_eq!(
        decode_parts([fragments.as_slice()], 11),
        [message(Kind::Binary, &[0; 11])]
    );
}

#[test]
fn a_declared_length_holds_no_memory() {
    let mut header = client_frame(true, 2, &vec![7; 100_000]);
    header.truncate(20);
    let mut decoder = Decoder::default();
    assert_eq!(
        decoder.decode(&mut header.as_mut_slice(), 1 << 20, false),
        Ok(None)
    );
    assert!(decoder.held_bytes() < 300, "{}", decoder.held_bytes());
}

#[test]
fn nothing_is_held_between_messages() {
    let mut decoder = Decoder::default();
    let mut input = client_frame(false, 1, b"a");
    input.extend(client_frame(true, 0, b"b"));
    let mut input = input.as_mut_slice();
    assert!(matches!(
        decoder.decode(&mut input, 10, false),
        Ok(Some(Incoming::Message(..)))
    ));
    assert_eq!(decoder.decode(&mut input, 10, false), Ok(None));
    assert_eq!(decoder.held_bytes(), 0);
}

/// A client's message: its frames and nothing else, or a control frame.
fn any_frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..300);
    let text = any::<String>().prop_map(String::into_bytes);
    let data = (
        prop_oneof![payload.prop_map(|p| (2, p)), text.prop_map(|p| (1, p))],
        0..4_usize,
    );
    let message = data.prop_map(|((opcode, payload), cuts)| {
        let step = payload.len() / (cuts + 1) + 1;
        let mut parts: Vec<&[u8]> = payload.chunks(step).collect();
        let last = parts.pop().unwrap_or_default();
        let mut out = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            out.extend(client_frame(false, if i == 0 { opcode } else { 0 }, part));
        }
        out.extend(client_frame(
            true,
            if parts.is_empty() { opcode } else { 0 },
            last,
        ));
        out
    });
    let control = (8..=10_u8, prop::collection::vec(any::<u8>(), 0..126));
    prop_oneof![4 => message, 1 => control.prop_map(|(opcode, payload)| client_frame(true, opcode, &payload))]
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        frames in prop::collection::vec(any_frames(), 0..6),
        junk in prop::collection::vec(any::<u8>(), 0..20),
        cuts: Vec<u8>,
    ) {
        let mut input = frames.concat();
        input.extend_from_slice(&junk);
        let mut parts = Vec::new();
        let mut rest = input.as_slice();
        for cut in cuts {
            let (part, after) = rest.split_at(rest.len().min(cut.into()));
            parts.push(part);
            rest = after;
        }
        parts.push(rest);
        prop_assert_eq!(decode_parts(parts, 200), decode_parts([input.as_slice()], 200));
        prop_assert_eq!(decode_parts(input.chunks(1), 200), decode_parts([input.as_slice()], 200));
    }

    #[test]
    fn what_a_client_frames_comes_out_unchanged(text: String, data: Vec<u8>) {
        let mut input = client_frame(true, 1, text.as_bytes());
        input.extend(client_frame(true, 2, &data));
        prop_assert_eq!(decode_all(&input), [message(Kind::Text, text.as_bytes()), message(Kind::Binary, &data)]);
    }
}

#[test]
fn only_a_first_frame_says_that_a_message_is_compressed() {
    let decode = |frames: &[&[u8]], deflate| {
        let mut input = frames.concat();
        let mut decoder = Decoder::default();
        let mut input = input.as_mut_slice();
        match decoder.decode(&mut input, 100, deflate) {
            Ok(Some(Incoming::Compressed(kind, payload))) => format!("{kind:?} {payload:?}"),
            other => format!("{other:?}"),
        }
    };
    let text: &[u8] = &[0xc1, 0x81, 0, 0, 0, 0, 7];
    assert_eq!(decode(&[text], true), "Text [7]");
    assert_eq!(decode(&[text], false), "Err(ReservedBit)");
    let begin: &[u8] = &[0x41, 0x81, 0, 0, 0, 0, 0xff];
    let end: &[u8] = &[0x80, 0x81, 0, 0, 0, 0, 8];
    assert_eq!(decode(&[begin, end], true), "Text [255, 8]");
    let end: &[u8] = &[0xc0, 0x81, 0, 0, 0, 0, 8];
    assert_eq!(decode(&[begin, end], true), "Err(ReservedBit)");
    assert_eq!(
        decode(&[&[0xc9, 0x80, 0, 0, 0, 0]], true),
        "Err(ReservedBit)"
    );
}
