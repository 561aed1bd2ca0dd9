use proptest::prelude::*;

use super::*;

const CHUNKED: BodyLength = BodyLength::Chunked;

/// The body of `input` and where it ends, when it comes in parts that end at `cuts`; `None` if it does not end.
fn decode_parts(
    length: BodyLength,
    max_length: usize,
    input: &[u8],
    cuts: &[usize],
) -> Result<Option<(Vec<u8>, usize)>, u16> {
    let mut decoder = Decoder::new(length, max_length).map_err(|problem| problem.status.code)?;
    let mut from = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        let taken = decoder.decode(&input[from..end]);
        assert!(decoder.held_bytes() <= 2 * end + 8, "more than has arrived");
        match taken.map_err(|problem| problem.status.code)? {
            Some(taken) => return Ok(Some((decoder.into_body(), from + taken))),
            None => from = end,
        }
    }
    Ok(None)
}

fn decode(length: BodyLength, input: &str) -> Result<Option<(Vec<u8>, usize)>, u16> {
    decode_parts(length, 10, input.as_bytes(), &[])
}

fn whole(body: &str, length: usize) -> Result<Option<(Vec<u8>, usize)>, u16> {
    Ok(Some((body.into(), length)))
}

/// `body` in chunks of these lengths, and one with the rest.
fn chunked(body: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = body;
    for length in lengths.iter().copied().chain([body.len()]) {
        let (chunk, after) = rest.split_at(length.min(rest.len()));
        if !chunk.is_empty() {
            out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        rest = after;
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

#[test]
fn a_counted_body_ends_where_it_says() {
    let counted = BodyLength::Counted;
    assert_eq!(decode(counted(5), "helloGET /"), whole("hello", 5));
    assert_eq!(decode(counted(10), "helloworld"), whole("helloworld", 10));
    assert_eq!(decode(counted(5), "hell"), Ok(None));
    assert_eq!(decode(counted(0), "GET /"), whole("", 0));
    assert_eq!(decode(counted(11), ""), Err(413));
    assert_eq!(decode(counted(u64::MAX), ""), Err(413));
}

#[test]
fn chunks_are_put_together() {
    assert_eq!(
        decode(CHUNKED, "5\r\nhello\r\n0\r\n\r\nGET /"),
        whole("hello", 15)
    );
    assert_eq!(
        decode(CHUNKED, "2\r\nhe\r\n03\r\nllo\r\n000\r\n\r\n"),
        whole("hello", 23)
    );
    assert_eq!(
        decode(CHUNKED, "A\r\nhelloworld\r\n0\r\n\r\n"),
        whole("helloworld", 20)
    );
    assert_eq!(decode(CHUNKED, "0\r\n\r\n"), whole("", 5));
    assert_eq!(decode(CHUNKED, "5\r\nhello\r\n0\r\n"), Ok(None));
}

#[test]
fn extensions_and_trailers_are_passed_over() {
    let input = "5;a=1;b=\"x y\"\r\nhello\r\n0 ;last\r\nDigest: x\r\nMore: y\r\n\r\nrest";
    assert_eq!(decode(CHUNKED, input), whole("hello", input.len() - 4));
    let long = "x".repeat(MAX_EXTRAS);
    assert_eq!(decode(CHUNKED, &format!("1;{long}")), Err(400));
    assert_eq!(decode(CHUNKED, &format!("0\r\na{long}")), Err(400));
    let many = "a: b\r\n".repeat(MAX_EXTRAS / 4 + 1);
    assert_eq!(decode(CHUNKED, &format!("0\r\n{many}")), Err(400));
}

#[test]
fn what_is_too_long_is_refused_before_it_arrives() {
    assert_eq!(decode(CHUNKED, "b"), Err(413));
    assert_eq!(decode(CHUNKED, "5\r\nhello\r\n6"), Err(413));
    assert_eq!(decode(CHUNKED, "ffffffffffffffffffff"), Err(413));
    assert_eq!(decode(CHUNKED, "10000000000000001"), Err(413));
    assert_eq!(decode(CHUNKED, &"0".repeat(16)), Ok(None));
    assert_eq!(decode(CHUNKED, &"0".repeat(17)), Err(400));
}

#[test]
fn what_smugglers_send() {
    for input in [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1 \r\n",
        "1\n",
        "1\ra",
        "1;\n",
        "1;\r\ra",
        "1;a\0\r\n",
        "1;a\x7f\r\n",
        "1\r\naa",
        "1\r\na\n",
        "1\r\na\rb",
        "0\r\n\n",
        "0\r\n\ra",
        "0\r\na: b\n",
        "0\r\na: b\r\r",
    ] {
        assert_eq!(decode(CHUNKED, input), Err(400), "{input:?}");
    }
}

proptest! {
    #[test]
    fn chunks_in_any_split_give_the_body(
        body in prop::collection::vec(any::<u8>(), 0..300),
        lengths in prop::collection::vec(0..100_usize, 0..8),
        cuts in prop::collection::vec(0..500_usize, 0..8),
        rest in "[a-z]{0,3}",
    ) {
        let mut input = chunked(&body, &lengths);
        let end = input.len();
        input.extend_from_slice(rest.as_bytes());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.sort_unstable();
        let bytes: Vec<usize> = (0..input.len()).collect();
        let expected = Ok(Some((body, end)));
        for cuts in [&[][..], &cuts, &bytes] {
            prop_assert_eq!(&decode_parts(CHUNKED, 300, &input, cuts), &expected);
        }
    }

    #[test]
    fn any_split_of_anything_gives_the_same(
        input in "[0-3aA;\r\n :]{0,40}",
        cuts in prop::collection::vec(0..40_usize, 0..8),
        counted in prop::option::of(0..50_u64),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.sort_unstable();
        let bytes: Vec<usize> = (0..input.len()).collect();
        let length = counted.map_or(CHUNKED, BodyLength::Counted);
        let whole = decode_parts(length, 30, input.as_bytes(), &[]);
        for cuts in [&cuts, &bytes] {
            prop_assert_eq!(&decode_parts(length, 30, input.as_bytes(), cuts), &whole);
        }
    }
}
