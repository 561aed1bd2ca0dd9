//! A command: no panic, what is read is what serde_json's own tree of it says, and JSON without the spaces between its
//! parts means the same.

use data_encoding::BASE64;
use parlor::codec::error_code::ErrorCode;
use parlor::codec::json::ban::BanTarget;
use parlor::codec::json::command::{self, Command, Data, Series, Since};
use parlor::codec::json::compact;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    // None for what is JSON, but no tree can hold: too deep, too large a number, half a surrogate.
    let tree: Option<Value> = serde_json::from_str(text).ok();
    if is_json {
        check_compact(text, tree.as_ref());
    }
    check_command(text, is_json, tree.as_ref());
}

fn check_compact(text: &str, tree: Option<&Value>) {
    let Ok(small) = compact(text) else {
        // No tree can hold it, or it is nested too deeply, or has a key twice.
        let keys = text.matches(':').count();
        assert!(tree.is_none() || text.matches(['[', '{']).count() > 64 || keys > 1);
        return;
    };
    let tree = tree.expect("what everyone can read a tree can hold");
    assert!(small.len() <= text.len());
    assert_eq!(compact(&small).ok().as_ref(), Some(&small));
    assert_eq!(
        serde_json::from_str::<Value>(&small).ok().as_ref(),
        Some(tree)
    );
    let space = |c: char| matches!(c, ' ' | '\n' | '\r' | '\t');
    // Its strings aside, nothing is left of the spaces; a tree without strings has none at all.
    assert!(text.contains('"') || !small.contains(space));
}

fn check_command(text: &str, is_json: bool, tree: Option<&Value>) {
    let (id, command) = command::parse(text);
    match command {
        Ok(command) => {
            assert!(is_json);
            match &command {
                Command::Publish(publish) | Command::PublishCopies { publish, .. } => {
                    check_readable(&publish.data);
                }
                Command::Direct { data, .. } => check_readable(data),
                _ => {}
            }
            if let Some(tree) = tree {
                check_fields(&command, tree);
                let id: Option<Value> =
                    id.map(|id| serde_json::from_str(id.get()).expect("an id is JSON"));
                assert_eq!(id.unwrap_or_default(), tree["id"]);
            }
        }
        Err(error) if error.code == ErrorCode::BadJson => assert!(tree.is_none(), "{error:?}"),
        Err(error) => assert_eq!(error.code, ErrorCode::BadCommand),
    }
    if let Some(id) = id {
        assert!(id.get().starts_with(|c: char| "\"-0123456789".contains(c)));
        assert_eq!(command::id_of(text).map(RawValue::get), Some(id.get()));
    }
}

fn target(
    BanTarget {
        name,
        address,
        room,
    }: &BanTarget<'_>,
) -> Value {
    json!({"name": name, "address": address, "room": room})
}

/// Each field of the command is that of the tree, and what the command does not say is not there or `null`.
fn check_fields(command: &Command<'_>, tree: &Value) {
    let (kind, fields) = match command {
        Command::Login {
            name,
            resume,
            token,
        } => (
            "login",
            json!({"name": name, "resume": resume, "token": token}),
        ),
        Command::Join {
            room,
            since,
            last,
            series,
        } => {
            let since = since.as_ref().map(|since| place(since, &tree["since"]));
            let series = series.as_ref().map(|it| window(it, &tree["series"]));
            (
                "join",
                json!({"room": room, "since": since, "last": last, "series": series}),
            )
        }
        Command::Leave { room } => ("leave", json!({"room": room})),
        Command::Publish(publish) => {
            check_carried(&publish.data, tree);
            let flag = |name| tree[name].as_bool().unwrap_or_default();
            assert_eq!(
                (publish.retain, publish.ephemeral),
                (flag("retain"), flag("ephemeral"))
            );
            let fields = json!({"room": publish.room, "key": publish.key, "dedup": publish.dedup});
            ("publish", fields)
        }
        Command::PublishCopies { publish, others } => {
            check_carried(&publish.data, tree);
            let mut rooms = vec![publish.room.to_string()];
            rooms.extend(others.iter().cloned());
            let fields = json!({"rooms": rooms, "key": publish.key, "dedup": publish.dedup});
            ("publish", fields)
        }
        Command::Direct { to, data } => {
            check_carried(data, tree);
            ("direct", json!({"to": to}))
        }
        Command::History {
            room,
            before,
            limit,
            series,
        } => {
            let seconds = series.as_ref().map(|it| it.seconds);
            let points = series.as_ref().and_then(|it| it.points);
            assert_eq!(
                (&tree["seconds"], &tree["points"]),
                (&json!(seconds), &json!(points))
            );
            (
                "history",
                json!({"room": room, "before": before, "limit": limit}),
            )
        }
        Command::Search {
            room,
            q,
            before,
            limit,
        } => (
            "search",
            json!({"room": room, "q": q, "before": before, "limit": limit}),
        ),
        Command::Members { room } => ("members", json!({"room": room})),
        Command::Rooms => ("rooms", json!({})),
        Command::Close { name } => ("close", json!({"name": name})),
        Command::Empty { room } => ("empty", json!({"room": room})),
        Command::Ban(asked) => {
            assert_eq!(json!(asked.seconds), tree["seconds"]);
            assert_eq!(json!(asked.reason), tree["reason"]);
            ("ban", target(&asked.target))
        }
        Command::Unban(lifted) => ("unban", target(lifted)),
        Command::Bans => ("bans", json!({})),
        Command::Push(push) => {
            let is_wanted = tree["kinds"].as_array().is_some_and(|it| !it.is_empty());
            assert_eq!(push.wanted.is_some(), is_wanted);
            let rooms = push.wanted.as_ref().map(|it| &it.rooms);
            assert_eq!(
                rooms.map_or(0, Vec::len),
                if is_wanted {
                    tree["rooms"].as_array().map_or(0, Vec::len)
                } else {
                    0
                }
            );
            ("push", json!({"endpoint": push.endpoint}))
        }
        Command::Ping => ("ping", json!({})),
        Command::Pong => ("pong", json!({})),
    };
    assert_eq!(tree["type"], kind);
    for (name, value) in fields.as_object().expect("made above") {
        assert_eq!(tree[name], *value, "{name}");
    }
}

/// A place as it was said: serde takes a list of its fields, too.
fn place(since: &Since<'_>, said: &Value) -> Value {
    if said.is_array() {
        return json!([since.epoch, since.offset]);
    }
    let mut place = said.clone();
    place["epoch"] = json!(since.epoch);
    place["offset"] = json!(since.offset);
    place
}

fn window(series: &Series, said: &Value) -> Value {
    if let Some(said) = said.as_array() {
        let fields = [
            json!(series.seconds),
            json!(series.points),
            json!(series.keys),
        ];
        return fields.into_iter().take(said.len()).collect();
    }
    let mut window = said.clone();
    window["seconds"] = json!(series.seconds);
    if series.points.is_some() {
        window["points"] = json!(series.points);
    }
    if !series.keys.is_empty() {
        window["keys"] = json!(series.keys);
    }
    window
}

/// What is passed on can be read by those who keep all of it.
fn check_readable(data: &Data<'_>) {
    if let Data::Json(json) = data {
        assert!(serde_json::from_str::<Value>(json).is_ok(), "{json}");
    }
}

fn check_carried(data: &Data<'_>, tree: &Value) {
    match data {
        Data::Text(text) => assert_eq!(tree["data"], **text),
        Data::Json(json) => assert_eq!(
            serde_json::from_str::<Value>(json).ok().as_ref(),
            tree.get("data")
        ),
        Data::Binary(bytes) => assert_eq!(tree["binary"], BASE64.encode(bytes)),
    }
}
