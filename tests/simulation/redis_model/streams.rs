//! Commands on streams.

use super::commands::{Done, Refusal, number};
use super::data::{Data, Id, Stream, Value, WrongType};
use super::resp::Reply;

const BAD_ID: &str = "ERR Invalid stream ID specified as stream command argument";

/// Carries out a command on a stream; `None` if it is none.
pub(super) fn execute(data: &mut Data, name: &str, args: &[Vec<u8>]) -> Option<Done> {
    Some(match (name, args) {
        ("XADD", [key, id, fields @ ..]) if !fields.is_empty() && fields.len() % 2 == 0 => {
            add(data, key, id, fields)
        }
        ("XLEN", [key]) => data
            .stream(key)
            .map(|it| Reply::count(it.map_or(0, |it| it.entries.len())))
            .map_err(Into::into),
        ("XDEL", [key, ids @ ..]) if !ids.is_empty() => delete(data, key, ids),
        ("XTRIM", [key, kind, most]) if kind.eq_ignore_ascii_case(b"MAXLEN") => {
            trim(data, key, most)
        }
        ("XRANGE", [key, least, most, rest @ ..]) => range(data, key, (least, most), rest, false),
        ("XREVRANGE", [key, most, least, rest @ ..]) => range(data, key, (least, most), rest, true),
        ("XADD" | "XLEN" | "XDEL" | "XTRIM" | "XRANGE" | "XREVRANGE", _) => {
            let name = name.to_lowercase();
            Err(Refusal(format!(
                "ERR wrong number of arguments for '{name}' command"
            )))
        }
        _ => return None,
    })
}

/// `5-1`; `5`, whose second part is the one given.
fn read_id(text: &[u8], second: u64) -> Result<Id, Refusal> {
    let text = std::str::from_utf8(text).map_err(|_| BAD_ID)?;
    let number = |text: &str| text.parse().map_err(|_| Refusal::from(BAD_ID));
    match text.split_once('-') {
        Some((first, second)) => Ok((number(first)?, number(second)?)),
        None => Ok((number(text)?, second)),
    }
}

fn show((first, second): Id) -> String {
    format!("{first}-{second}")
}

fn add(data: &mut Data, key: &[u8], id: &[u8], fields: &[Vec<u8>]) -> Done {
    let id = read_id(id, 0)?;
    if id == (0, 0) {
        return Err("ERR The ID specified in XADD must be greater than 0-0".into());
    }
    let last = data.stream(key)?.map_or((0, 0), |it| it.last);
    if id <= last {
        let text =
            "ERR The ID specified in XADD is equal or smaller than the target stream top item";
        return Err(text.into());
    }
    let Value::Stream(stream) = data.make(key, || Value::Stream(Stream::default())) else {
        return Err(WrongType.into());
    };
    stream.last = id;
    stream.entries.insert(id, fields.to_vec());
    Ok(Reply::bulk(show(id)))
}

fn delete(data: &mut Data, key: &[u8], ids: &[Vec<u8>]) -> Done {
    let ids = ids
        .iter()
        .map(|id| read_id(id, 0))
        .collect::<Result<Vec<_>, _>>()?;
    if data.stream(key)?.is_none() {
        return Ok(Reply::Integer(0));
    }
    let Value::Stream(stream) = data.make(key, || Value::Stream(Stream::default())) else {
        return Err(WrongType.into());
    };
    let gone = ids
        .iter()
        .filter(|id| stream.entries.remove(id).is_some())
        .count();
    Ok(Reply::count(gone))
}

fn trim(data: &mut Data, key: &[u8], most: &[u8]) -> Done {
    let most = number(most)?.max(0) as usize;
    if data.stream(key)?.is_none() {
        return Ok(Reply::Integer(0));
    }
    let Value::Stream(stream) = data.make(key, || Value::Stream(Stream::default())) else {
        return Err(WrongType.into());
    };
    let excess = stream.entries.len().saturating_sub(most);
    (0..excess).for_each(|_| drop(stream.entries.pop_first()));
    Ok(Reply::count(excess))
}

/// The first id that counts, or the last: `-`, `+`, `5-0`, `(5-0`.
fn bound(text: &[u8], is_least: bool) -> Result<Id, Refusal> {
    let whole = if is_least { 0 } else { u64::MAX };
    match text {
        b"-" => return Ok((0, 0)),
        b"+" => return Ok((u64::MAX, u64::MAX)),
        _ => {}
    }
    let Some(inside) = text.strip_prefix(b"(") else {
        return read_id(text, whole);
    };
    // What is left out is only the one id, also where it is short.
    let (first, second) = read_id(inside, whole)?;
    let next = match is_least {
        true => match second.checked_add(1) {
            Some(second) => Some((first, second)),
            None => first.checked_add(1).map(|first| (first, 0)),
        },
        false => match second.checked_sub(1) {
            Some(second) => Some((first, second)),
            None => first.checked_sub(1).map(|first| (first, u64::MAX)),
        },
    };
    let bad = match is_least {
        true => "ERR invalid start ID for the interval",
        false => "ERR invalid end ID for the interval",
    };
    next.ok_or(Refusal(bad.into()))
}

fn range(
    data: &Data,
    key: &[u8],
    (least, most): (&[u8], &[u8]),
    rest: &[Vec<u8>],
    is_reverse: bool,
) -> Done {
    let (least, most) = (bound(least, true)?, bound(most, false)?);
    let count = match rest {
        [] => usize::MAX,
        [word, count] if word.eq_ignore_ascii_case(b"COUNT") => {
            // Redis takes what is negative for nothing.
            usize::try_from(number(count)?).unwrap_or(0)
        }
        _ => return Err("ERR syntax error".into()),
    };
    let Some(stream) = data.stream(key)? else {
        return Ok(Reply::Array(Vec::new()));
    };
    if count == 0 {
        return Ok(Reply::Nil);
    }
    if least > most {
        return Ok(Reply::Array(Vec::new()));
    }
    let found = stream.entries.range(least..=most);
    let entry = |(id, fields): (&Id, &Vec<Vec<u8>>)| {
        let fields = fields.iter().cloned().map(Reply::Bulk);
        Reply::Array(vec![Reply::bulk(show(*id)), Reply::Array(fields.collect())])
    };
    let found: Vec<Reply> = match is_reverse {
        true => found.rev().take(count).map(entry).collect(),
        false => found.take(count).map(entry).collect(),
    };
    Ok(Reply::Array(found))
}
