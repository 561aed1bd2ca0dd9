//! Commands on keys.

use std::collections::BTreeSet;

use super::data::{Data, Value, WrongType};
use super::resp::Reply;
use super::{sorted, streams};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// Why a command is refused.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) String);

impl From<WrongType> for Refusal {
    fn from(_: WrongType) -> Self {
        Self(WRONG_TYPE.into())
    }
}

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

pub(super) type Done = Result<Reply, Refusal>;

/// Carries out a command on keys; `None` if it is none of those.
pub(super) fn execute(data: &mut Data, name: &str, args: &[Vec<u8>]) -> Option<Reply> {
    let done = strings(data, name, args)
        .or_else(|| keys(data, name, args))
        .or_else(|| hashes(data, name, args))
        .or_else(|| sets(data, name, args))
        .or_else(|| sorted::execute(data, name, args))
        .or_else(|| streams::execute(data, name, args))?;
    Some(done.unwrap_or_else(|Refusal(text)| Reply::Error(text)))
}

pub(super) fn number(bytes: &[u8]) -> Result<i64, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| NOT_AN_INTEGER)?;
    Ok(text.parse().map_err(|_| NOT_AN_INTEGER)?)
}

pub(super) fn wrong_count(name: &str) -> Refusal {
    let name = name.to_lowercase();
    Refusal(format!(
        "ERR wrong number of arguments for '{name}' command"
    ))
}

fn strings(data: &mut Data, name: &str, args: &[Vec<u8>]) -> Option<Done> {
    Some(match (name, args) {
        ("GET", [key]) => data
            .text(key)
            .map(|it| Reply::of(it.cloned()))
            .map_err(Into::into),
        ("SET", [key, value, options @ ..]) => set(data, key, value, options),
        ("INCR", [key]) => add(data, key, 1),
        ("INCRBY", [key, by]) => number(by).and_then(|by| add(data, key, by)),
        ("GET" | "SET" | "INCR" | "INCRBY", _) => Err(wrong_count(name)),
        _ => return None,
    })
}

fn set(data: &mut Data, key: &[u8], value: &[u8], options: &[Vec<u8>]) -> Done {
    let (mut end_ms, mut only_if) = (None, None);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let mut next = || options.next().ok_or("ERR syntax error");
        match option.to_ascii_uppercase().as_slice() {
            b"PX" => end_ms = Some(number(next()?)?),
            b"EX" => end_ms = Some(number(next()?)? * 1_000),
            b"NX" => only_if = Some(false),
            b"XX" => only_if = Some(true),
            _ => return Err("ERR syntax error".into()),
        }
    }
    if end_ms.is_some_and(|it| it <= 0) {
        return Err("ERR invalid expire time in 'set' command".into());
    }
    if only_if.is_some_and(|exists| data.get(key).is_some() != exists) {
        return Ok(Reply::Nil);
    }
    data.put(key, Value::Text(value.to_vec()));
    if let Some(end_ms) = end_ms {
        data.expire(key, end_ms);
    }
    Ok(Reply::ok())
}

fn add(data: &mut Data, key: &[u8], by: i64) -> Done {
    let before = data.text(key)?.map_or(Ok(0), |text| number(text))?;
    let sum = before
        .checked_add(by)
        .ok_or("ERR increment or decrement would overflow")?;
    // The key keeps its end.
    *data.make(key, || Value::Text(Vec::new())) = Value::Text(sum.to_string().into());
    Ok(Reply::Integer(sum))
}

fn keys(data: &mut Data, name: &str, args: &[Vec<u8>]) -> Option<Done> {
    Some(match (name, args) {
        ("DEL" | "UNLINK", [_, ..]) => {
            let count = args.iter().filter(|key| data.remove(key)).count();
            Ok(Reply::count(count))
        }
        ("EXISTS", [_, ..]) => {
            let count = args.iter().filter(|key| data.get(key).is_some()).count();
            Ok(Reply::count(count))
        }
        ("PEXPIRE", [key, ms]) => expire(data, key, ms, 1),
        ("EXPIRE", [key, seconds]) => expire(data, key, seconds, 1_000),
        ("PTTL", [key]) => Ok(Reply::Integer(match (data.get(key), data.left_ms(key)) {
            (None, _) => -2,
            (Some(_), None) => -1,
            (Some(_), Some(left_ms)) => left_ms as i64,
        })),
        ("DBSIZE", []) => Ok(Reply::count(data.len())),
        ("KEYS", [pattern]) if pattern == b"*" => {
            let names = data.names().map(|it| Reply::bulk(it.clone()));
            Ok(Reply::Array(names.collect()))
        }
        ("FLUSHALL", []) => {
            *data = Data::default();
            Ok(Reply::ok())
        }
        ("TIME", []) => {
            let now_ms = data.now_ms();
            let parts = [now_ms / 1_000, now_ms % 1_000 * 1_000];
            let parts = parts.map(|it| Reply::bulk(it.to_string()));
            Ok(Reply::Array(parts.into()))
        }
        ("DEL" | "UNLINK" | "EXISTS" | "PEXPIRE" | "EXPIRE" | "PTTL" | "TIME", _) => {
            Err(wrong_count(name))
        }
        _ => return None,
    })
}

fn expire(data: &mut Data, key: &[u8], time: &[u8], unit_ms: i64) -> Done {
    let after_ms = number(time)?.saturating_mul(unit_ms);
    Ok(Reply::Integer(data.expire(key, after_ms).into()))
}

fn hashes(data: &mut Data, name: &str, args: &[Vec<u8>]) -> Option<Done> {
    Some(match (name, args) {
        ("HSET", [key, pairs @ ..]) if !pairs.is_empty() && pairs.len() % 2 == 0 => {
            hash_set(data, key, pairs)
        }
        ("HGET", [key, field]) => fields(data, key, std::slice::from_ref(field)).map(first),
        ("HMGET", [key, names @ ..]) if !names.is_empty() => fields(data, key, names),
        ("HEXISTS", [key, field]) => data
            .hash(key)
            .map(|it| Reply::Integer(it.iter().any(|(name, _)| name == field).into()))
            .map_err(Into::into),
        ("HGETALL", [key]) => parts_of(data, key, |(name, value)| vec![name, value]),
        ("HKEYS", [key]) => parts_of(data, key, |(name, _)| vec![name]),
        ("HVALS", [key]) => parts_of(data, key, |(_, value)| vec![value]),
        ("HLEN", [key]) => data
            .hash(key)
            .map(|it| Reply::count(it.len()))
            .map_err(Into::into),
        ("HDEL", [key, names @ ..]) if !names.is_empty() => hash_delete(data, key, names),
        ("HINCRBY", [key, field, by]) => number(by).and_then(|by| hash_add(data, key, field, by)),
        (
            "HSET" | "HGET" | "HMGET" | "HEXISTS" | "HGETALL" | "HKEYS" | "HVALS" | "HLEN" | "HDEL"
            | "HINCRBY",
            _,
        ) => Err(wrong_count(name)),
        _ => return None,
    })
}

fn first(reply: Reply) -> Reply {
    match reply {
        Reply::Array(replies) => replies.into_iter().next().unwrap_or(Reply::Nil),
        other => other,
    }
}

fn fields(data: &Data, key: &[u8], names: &[Vec<u8>]) -> Done {
    let hash = data.hash(key)?;
    let values = names.iter().map(|name| {
        let found = hash.iter().find(|(field, _)| field == name);
        Reply::of(found.map(|(_, value)| value.clone()))
    });
    Ok(Reply::Array(values.collect()))
}

fn parts_of(data: &Data, key: &[u8], parts: impl Fn((Vec<u8>, Vec<u8>)) -> Vec<Vec<u8>>) -> Done {
    let parts = data.hash(key)?.iter().cloned().flat_map(parts);
    Ok(Reply::Array(parts.map(Reply::Bulk).collect()))
}

fn hash_set(data: &mut Data, key: &[u8], pairs: &[Vec<u8>]) -> Done {
    data.hash(key)?;
    let Value::Hash(hash) = data.make(key, || Value::Hash(Vec::new())) else {
        return Err(WrongType.into());
    };
    let mut added = 0;
    for pair in pairs.chunks_exact(2) {
        match hash.iter_mut().find(|(name, _)| *name == pair[0]) {
            Some((_, value)) => pair[1].clone_into(value),
            None => {
                hash.push((pair[0].clone(), pair[1].clone()));
                added += 1;
            }
        }
    }
    Ok(Reply::count(added))
}

fn hash_delete(data: &mut Data, key: &[u8], names: &[Vec<u8>]) -> Done {
    let before = data.hash(key)?.len();
    if before == 0 {
        return Ok(Reply::Integer(0));
    }
    let Value::Hash(hash) = data.make(key, || Value::Hash(Vec::new())) else {
        return Err(WrongType.into());
    };
    hash.retain(|(name, _)| !names.contains(name));
    let gone = before - hash.len();
    data.drop_if_empty(key);
    Ok(Reply::count(gone))
}

fn hash_add(data: &mut Data, key: &[u8], field: &[u8], by: i64) -> Done {
    let hash = data.hash(key)?;
    let found = hash.iter().find(|(name, _)| name == field);
    let before = found.map_or(Ok(0), |(_, value)| {
        number(value).map_err(|_| Refusal("ERR hash value is not an integer".into()))
    })?;
    let sum = before + by;
    hash_set(data, key, &[field.to_vec(), sum.to_string().into()])?;
    Ok(Reply::Integer(sum))
}

fn sets(data: &mut Data, name: &str, args: &[Vec<u8>]) -> Option<Done> {
    Some(match (name, args) {
        ("SADD", [key, members @ ..]) if !members.is_empty() => set_add(data, key, members),
        ("SREM", [key, members @ ..]) if !members.is_empty() => set_remove(data, key, members),
        ("SCARD", [key]) => data
            .set(key)
            .map(|it| Reply::count(it.map_or(0, BTreeSet::len)))
            .map_err(Into::into),
        ("SISMEMBER", [key, member]) => data
            .set(key)
            .map(|it| Reply::Integer(it.is_some_and(|it| it.contains(member)).into()))
            .map_err(Into::into),
        ("SMEMBERS", [key]) => data
            .set(key)
            .map(|it| it.into_iter().flatten().cloned().map(Reply::Bulk))
            .map(|it| Reply::Array(it.collect()))
            .map_err(Into::into),
        ("SADD" | "SREM" | "SCARD" | "SISMEMBER" | "SMEMBERS", _) => Err(wrong_count(name)),
        _ => return None,
    })
}

fn set_add(data: &mut Data, key: &[u8], members: &[Vec<u8>]) -> Done {
    data.set(key)?;
    let Value::Set(set) = data.make(key, || Value::Set(Default::default())) else {
        return Err(WrongType.into());
    };
    let added = members.iter().filter(|it| set.insert((*it).clone()));
    Ok(Reply::count(added.count()))
}

fn set_remove(data: &mut Data, key: &[u8], members: &[Vec<u8>]) -> Done {
    if data.set(key)?.is_none() {
        return Ok(Reply::Integer(0));
    }
    let Value::Set(set) = data.make(key, || Value::Set(Default::default())) else {
        return Err(WrongType.into());
    };
    let gone = members.iter().filter(|it| set.remove(*it)).count();
    data.drop_if_empty(key);
    Ok(Reply::count(gone))
}
