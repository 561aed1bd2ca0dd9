//! Whether a user may do what a node needs, tried on keys and a channel of its own.

use std::collections::BTreeSet;
use std::io;

use super::client::Client;
use super::place::Place;
use super::reply::Read;
use super::report::Finding;

/// Commands as a node sends them, or as its scripts do. `K` is a key, `C` the channel.
const COMMANDS: [&str; 45] = [
    "PING",
    "TIME",
    "INFO server",
    "CLIENT ID",
    "CLIENT SETNAME parlor",
    // There is no such connection.
    "CLIENT KILL ID 1844674407370955161",
    "SCRIPT LOAD return",
    "EVAL return 0",
    "DEL K",
    "HSET K f v",
    "HGET K f",
    "HMGET K f",
    "HGETALL K",
    "HDEL K f",
    "PEXPIRE K 60000",
    "DEL K",
    "SET K v PX 60000",
    "GET K",
    "EXISTS K",
    "EXPIRE K 60",
    "DEL K",
    "XADD K 1-0 f v",
    "XLEN K",
    "XRANGE K - +",
    "XREVRANGE K + -",
    "XDEL K 1-0",
    "DEL K",
    "HSET K f v",
    "HLEN K",
    "DEL K",
    "ZADD K 1 m",
    "ZCARD K",
    "ZRANGE K 0 -1",
    "ZRANGEBYSCORE K 0 1",
    "ZSCORE K m",
    "ZREM K m",
    "ZREMRANGEBYSCORE K 0 1",
    "PUBLISH C hello",
    "SUBSCRIBE C",
    "UNSUBSCRIBE C",
    "SPUBLISH C hello",
    "SSUBSCRIBE C",
    "SUNSUBSCRIBE C",
    "CLUSTER SLOTS",
    "ASKING",
];

/// Tries each command on a connection of its own.
pub(super) fn finding(
    client: &mut Client,
    place: &Place,
    user: Option<&str>,
    (is_sharded, is_cluster): (bool, bool),
) -> io::Result<Finding> {
    let (mut missing, mut refused) = (BTreeSet::new(), None);
    let mut tried = 0;
    let is_tried = |command: &&&str| match **command {
        "CLUSTER SLOTS" | "ASKING" => is_cluster,
        command => is_sharded || !is_of_shards(command),
    };
    for command in COMMANDS.iter().filter(is_tried) {
        tried += 1;
        let words = words_of(command, place);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let reply = client.call(&words)?;
        match reply.error() {
            None => {}
            Some(error) if error.starts_with("NOPERM") => {
                missing.insert(right_for(command, error));
            }
            // A script that is none is none of the user's.
            Some(_) if *command == "SCRIPT LOAD return" => {}
            Some(error) => {
                refused.get_or_insert_with(|| format!("{command}: {error}"));
            }
        }
    }
    Ok(told(&missing, refused, tried, user))
}

fn told(
    missing: &BTreeSet<String>,
    refused: Option<String>,
    tried: usize,
    user: Option<&str>,
) -> Finding {
    if !missing.is_empty() {
        let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
        let missing = missing.join(" ");
        let user = user.unwrap_or("default");
        return Finding::new(
            "rights",
            format!("missing: {missing}"),
            "a node needs them all",
        )
        .needed(format!("ACL SETUSER {user} {missing}"));
    }
    match refused {
        Some(error) => Finding::new("rights", error, "a node needs this command")
            .needed("see what the error says, and the log of Redis"),
        None => Finding::new(
            "rights",
            format!("{tried} commands tried"),
            "this user may do all that a node does",
        ),
    }
}

fn is_of_shards(command: &str) -> bool {
    ["SPUBLISH", "SSUBSCRIBE", "SUNSUBSCRIBE"]
        .iter()
        .any(|it| command.starts_with(it))
}

fn words_of(command: &str, place: &Place) -> Vec<String> {
    let words = command.split(' ').map(|word| match word {
        "K" => place.key("right"),
        "C" => place.channel(),
        word => word.to_owned(),
    });
    words.collect()
}

/// What the user lacks, as `ACL SETUSER` has it.
fn right_for(command: &str, error: &str) -> String {
    if error.contains("key") && !error.contains("run the") {
        return "~parlor:*".to_owned();
    }
    if error.contains("channel") && !error.contains("run the") {
        return "&parlor:*".to_owned();
    }
    let mut words = command.split(' ').map(str::to_lowercase);
    let name = words.next().unwrap_or_default();
    match (&*name, words.next()) {
        ("client" | "script", Some(of)) => format!("+{name}|{of}"),
        _ => format!("+{name}"),
    }
}

/// Whether what is published on the channel comes to who has subscribed to it.
pub(super) fn hears(
    client: &mut Client,
    listener: &mut Client,
    place: &Place,
    is_sharded: bool,
) -> io::Result<Finding> {
    let (publish, subscribe) = match is_sharded {
        true => ("SPUBLISH", "SSUBSCRIBE"),
        false => ("PUBLISH", "SUBSCRIBE"),
    };
    let channel = place.channel();
    let what = "channels";
    let told = |error: &str| {
        Finding::new(what, error, "nodes could not hear each other")
            .needed("let a node subscribe to channels that begin with parlor:")
    };
    if let Some(error) = listener.call(&[subscribe, &channel])?.error() {
        return Ok(told(error));
    }
    if let Some(error) = client.call(&[publish, &channel, "hello"])?.error() {
        return Ok(told(error));
    }
    let heard = listener.next()?;
    let is_heard = heard.list().and_then(|it| it.last()?.words()).as_deref() == Some("hello");
    Ok(match is_heard {
        true => Finding::new(what, subscribe.to_lowercase(), "nodes hear each other"),
        false => told("something else is heard"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_missing_is_named_as_acl_has_it() {
        for (command, error, right) in [
            (
                "XADD K 1-0 f v",
                "NOPERM User a has no permissions to run the 'xadd' command",
                "+xadd",
            ),
            (
                "XADD K 1-0 f v",
                "NOPERM this user has no permissions to run the 'xadd' command or its subcommand",
                "+xadd",
            ),
            (
                "CLIENT KILL ID 1",
                "NOPERM User a has no permissions to run the 'client|kill' command",
                "+client|kill",
            ),
            (
                "GET K",
                "NOPERM No permissions to access a key",
                "~parlor:*",
            ),
            (
                "GET K",
                "NOPERM this user has no permissions to access one of the keys used as arguments",
                "~parlor:*",
            ),
            (
                "PUBLISH C hello",
                "NOPERM No permissions to access a channel",
                "&parlor:*",
            ),
        ] {
            assert_eq!(right_for(command, error), right);
        }
    }

    /// Commands that the scripts carry out are the user's, too.
    #[test]
    fn what_scripts_do_is_tried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core/redis/scripts");
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            for call in text
                .split("redis.call('")
                .chain(text.split("redis.pcall('"))
            {
                let name = call.split('\'').next().unwrap();
                let is_name = name.bytes().all(|it| it.is_ascii_uppercase());
                let is_tried = COMMANDS.iter().any(|it| it.split(' ').next() == Some(name));
                assert!(!is_name || is_tried, "{} uses {name}", path.display());
                count += usize::from(is_name && is_tried);
            }
        }
        assert!(count > 10, "{count} were found");
    }

    #[test]
    fn what_is_refused_for_another_reason_is_said() {
        let finding = |missing: &[&str], refused: Option<&str>| {
            let mut report = super::super::report::Report::default();
            let missing = missing.iter().map(|it| (*it).to_owned()).collect();
            report.add(told(&missing, refused.map(str::to_owned), 9, Some("ana")));
            report
        };
        let full = finding(&[], Some("SET K v: OOM command not allowed"));
        assert!(
            !full.is_usable() && full.to_string().contains("OOM"),
            "{full}"
        );
        let short = finding(&["+get", "~parlor:*"], None);
        assert!(
            short
                .to_string()
                .contains("ACL SETUSER ana +get ~parlor:*."),
            "{short}"
        );
        assert!(finding(&[], None).is_well());
    }
}
