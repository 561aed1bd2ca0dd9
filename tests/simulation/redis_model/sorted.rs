//! Commands on sorted sets.

use std::collections::BTreeMap;

use super::commands::{Done, Refusal, number, wrong_count};
use super::data::{Data, Value, WrongType};
use super::resp::Reply;

/// Carries out a command on a sorted set; `None` if it is none of those.
pub(super) fn execute(data: &mut Data, name: &str, args: &[Vec<u8>]) -> Option<Done> {
    Some(match (name, args) {
        ("ZADD", [key, score, member]) => sorted_add(data, key, score, member),
        ("ZREM", [key, members @ ..]) if !members.is_empty() => {
            sorted_retain(data, key, |member, _| !members.contains(member))
        }
        ("ZREMRANGEBYSCORE", [key, least, most]) => {
            bounds(least, most).and_then(|has| sorted_retain(data, key, |_, score| !has(score)))
        }
        ("ZRANGEBYSCORE", [key, least, most, options @ ..]) => limit(options).and_then(|limit| {
            let has = bounds(least, most)?;
            members_by(data, key, |_, score| has(score), limit)
        }),
        ("ZRANGE", [key, from, to, word, options @ ..]) if word.eq_ignore_ascii_case(b"BYLEX") => {
            limit(options).and_then(|limit| {
                let has = lexical(from, to)?;
                members_by(data, key, |member, _| has(member), limit)
            })
        }
        ("ZRANGE", [key, from, to]) => members_at(data, key, from, to),
        ("ZSCORE", [key, member]) => data
            .sorted(key)
            .map(|it| Reply::of(it.and_then(|it| it.get(member)).map(f64::to_string)))
            .map_err(Into::into),
        ("ZCARD", [key]) => data
            .sorted(key)
            .map(|it| Reply::count(it.map_or(0, BTreeMap::len)))
            .map_err(Into::into),
        ("ZREM" | "ZREMRANGEBYSCORE" | "ZRANGEBYSCORE" | "ZRANGE" | "ZSCORE" | "ZCARD", _) => {
            Err(wrong_count(name))
        }
        _ => return None,
    })
}

fn score(text: &[u8]) -> Result<f64, Refusal> {
    let text = std::str::from_utf8(text).ok();
    let number = text.and_then(|it| it.trim_start_matches('+').parse().ok());
    Ok(number.ok_or("ERR value is not a valid float")?)
}

/// Whether a score is between two, as `(5` and `+inf` say.
fn bounds(least: &[u8], most: &[u8]) -> Result<impl Fn(f64) -> bool + use<>, Refusal> {
    let bound = |text: &[u8]| match text.strip_prefix(b"(") {
        Some(rest) => Ok::<_, Refusal>((score(rest)?, true)),
        None => Ok((score(text)?, false)),
    };
    let bad = |_| Refusal("ERR min or max is not a float".into());
    let (least, most) = (bound(least).map_err(bad)?, bound(most).map_err(bad)?);
    Ok(move |score: f64| {
        let is_over = if least.1 {
            score > least.0
        } else {
            score >= least.0
        };
        let is_under = if most.1 {
            score < most.0
        } else {
            score <= most.0
        };
        is_over && is_under
    })
}

fn sorted_add(data: &mut Data, key: &[u8], text: &[u8], member: &[u8]) -> Done {
    let score = score(text)?;
    data.sorted(key)?;
    let Value::Sorted(members) = data.make(key, || Value::Sorted(Default::default())) else {
        return Err(WrongType.into());
    };
    let is_new = members.insert(member.to_vec(), score).is_none();
    Ok(Reply::Integer(is_new.into()))
}

fn sorted_retain(data: &mut Data, key: &[u8], stays: impl Fn(&Vec<u8>, f64) -> bool) -> Done {
    let Some(before) = data.sorted(key)?.map(BTreeMap::len) else {
        return Ok(Reply::Integer(0));
    };
    let Value::Sorted(members) = data.make(key, || Value::Sorted(Default::default())) else {
        return Err(WrongType.into());
    };
    members.retain(|member, score| stays(member, *score));
    let gone = before - members.len();
    data.drop_if_empty(key);
    Ok(Reply::count(gone))
}

/// How many are left out, and how many are given.
type Limit = (usize, usize);

/// What `LIMIT` says.
fn limit(options: &[Vec<u8>]) -> Result<Limit, Refusal> {
    match options {
        [] => Ok((0, usize::MAX)),
        [word, offset, count] if word.eq_ignore_ascii_case(b"LIMIT") => {
            let [offset, count] = [number(offset)?, number(count)?];
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            Ok((offset, usize::try_from(count).unwrap_or(usize::MAX)))
        }
        _ => Err("ERR syntax error".into()),
    }
}

/// Whether a member is between two, as `-`, `[a` and `(b` say.
fn lexical(from: &[u8], to: &[u8]) -> Result<impl Fn(&[u8]) -> bool + use<>, Refusal> {
    let bound = |text: &[u8]| match text {
        b"-" => Ok(Bound::Least),
        b"+" => Ok(Bound::Most),
        [b'[', rest @ ..] => Ok(Bound::Included(rest.to_vec())),
        [b'(', rest @ ..] => Ok(Bound::Excluded(rest.to_vec())),
        _ => Err(Refusal("ERR min or max not valid string range item".into())),
    };
    let (from, to) = (bound(from)?, bound(to)?);
    Ok(move |member: &[u8]| {
        let is_after = match &from {
            Bound::Least => true,
            Bound::Most => false,
            Bound::Included(text) => *member >= text[..],
            Bound::Excluded(text) => *member > text[..],
        };
        let is_before = match &to {
            Bound::Least => false,
            Bound::Most => true,
            Bound::Included(text) => *member <= text[..],
            Bound::Excluded(text) => *member < text[..],
        };
        is_after && is_before
    })
}

enum Bound {
    Least,
    Most,
    Included(Vec<u8>),
    Excluded(Vec<u8>),
}

/// All members: by score, and those with the same in the order of their bytes.
fn in_order(data: &Data, key: &[u8]) -> Result<Vec<(Vec<u8>, f64)>, Refusal> {
    let members = data.sorted(key)?.into_iter().flatten();
    let mut found: Vec<_> = members.map(|(it, score)| (it.clone(), *score)).collect();
    found.sort_by(|one, other| one.1.total_cmp(&other.1));
    Ok(found)
}

fn members_by(
    data: &Data,
    key: &[u8],
    has: impl Fn(&[u8], f64) -> bool,
    (offset, count): Limit,
) -> Done {
    let found = in_order(data, key)?.into_iter();
    let found = found.filter(|(member, score)| has(member, *score));
    let found = found.skip(offset).take(count);
    Ok(Reply::Array(
        found.map(|(member, _)| Reply::bulk(member)).collect(),
    ))
}

/// Those at these places, counted from the end where they are negative.
fn members_at(data: &Data, key: &[u8], from: &[u8], to: &[u8]) -> Done {
    let (from, to) = (number(from)?, number(to)?);
    let found = in_order(data, key)?;
    let count = found.len() as i64;
    let place = |at: i64| if at < 0 { count + at } else { at };
    let (from, to) = (place(from).max(0), place(to));
    let places = (0..).zip(found);
    let chosen = places.filter(|(at, _)| (from..=to).contains(at));
    Ok(Reply::Array(
        chosen.map(|(_, (member, _))| Reply::bulk(member)).collect(),
    ))
}
