//! What the settings of a Redis promise: its version, its memory, its disk.

use super::facts::Facts;
use super::report::Finding;

/// The oldest version with all commands that are needed, and the newest that the tests know the commands of.
const OLDEST: (u32, u32) = (6, 2);
const NEWEST: u32 = 8;
/// The first version with sharded pub/sub.
const SHARDED: (u32, u32) = (7, 0);
/// Of `client-output-buffer-limit pubsub`, in bytes: what is said at once in many rooms has to fit.
const LEAST_OUTPUT: u64 = 32 << 20;

/// Whether channels are those of shards.
pub(super) fn is_sharded(facts: &Facts) -> bool {
    version(facts) >= SHARDED
}

/// All that the settings say.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    vec![
        server(facts),
        role(facts),
        memory(facts),
        persistence(facts),
        output(facts),
    ]
}

/// Of the commands: Valkey says, too, which Redis it is like.
fn version(facts: &Facts) -> (u32, u32) {
    let mut parts = facts.info("redis_version").split('.');
    let mut next = || parts.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    (next(), next())
}

/// Valkey has another word for it from version 9 on.
fn mode(facts: &Facts) -> &str {
    match facts.info("redis_mode") {
        "" => facts.info("server_mode"),
        mode => mode,
    }
}

fn server(facts: &Facts) -> Finding {
    let name = match facts.is("server_name", "valkey") {
        true => format!("Valkey {}", facts.info("valkey_version")),
        false => format!("Redis {}", facts.info("redis_version")),
    };
    let mode = mode(facts);
    let kind = match mode {
        "cluster" => ", in a cluster",
        "sentinel" => ", a Sentinel",
        _ => "",
    };
    let value = format!("{name}{kind}");
    let version = version(facts);
    if mode == "sentinel" {
        return Finding::new("server", value, "keeps no messages, but knows who does")
            .needed("name it as redis+sentinel://host:port/master-name");
    }
    if version < OLDEST {
        return Finding::new("server", value, "is older than 6.2, and lacks commands")
            .needed("take Redis 6.2 or newer, or Valkey");
    }
    let meaning = if version.0 > NEWEST {
        "is newer than what parlor is tested with"
    } else if version >= SHARDED {
        "will do, and has sharded pub/sub"
    } else {
        "will do; in a cluster, each message goes to all masters before version 7"
    };
    Finding::new("server", value, meaning)
}

fn role(facts: &Facts) -> Finding {
    if facts.is("role", "slave") {
        let master = format!(
            "{}:{}",
            facts.info("master_host"),
            facts.info("master_port")
        );
        let value = format!("replica of {master}");
        return Finding::new("role", value, "nothing can be written here").needed(format!(
            "name its master, redis://{master}, or its Sentinels"
        ));
    }
    let replicas = facts.number("connected_slaves");
    let value = format!("master, replicas: {replicas}");
    let meaning = match (replicas, facts.config("min-replicas-to-write")) {
        (0, _) => "if it fails, messages are refused until it is back",
        (_, Some("0") | None) => {
            "if it fails and a replica takes over, messages that the replica had not yet are lost"
        }
        _ => {
            "writes are refused without a replica, so that few messages are lost if one takes over"
        }
    };
    Finding::new("role", value, meaning)
}

fn memory(facts: &Facts) -> Finding {
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let used = mib(facts.number("used_memory"));
    let policy = facts.info("maxmemory_policy");
    let value = match facts.number("maxmemory") {
        0 => format!("{used} used, no maxmemory, {policy}"),
        most => format!("{used} of {} used, {policy}", mib(most)),
    };
    if policy != "noeviction" {
        return Finding::new("memory", value, "rooms can vanish when memory is full")
            .better("set maxmemory-policy noeviction, so that messages are refused instead");
    }
    let meaning = match facts.number("maxmemory") {
        0 => {
            "the kernel may end Redis when the machine's memory is full; maxmemory has messages refused instead"
        }
        _ => "messages are refused when it is full, and no room vanishes",
    };
    Finding::new("memory", value, meaning)
}

fn persistence(facts: &Facts) -> Finding {
    let what = "persistence";
    let fails = !facts.is("aof_last_write_status", "ok") && facts.is("aof_enabled", "1")
        || facts.is("rdb_last_bgsave_status", "err");
    if fails {
        return Finding::new(
            what,
            "the last write to the disk failed",
            "messages may be refused, and lost at a restart",
        )
        .better("see the log of Redis; its disk may be full");
    }
    if facts.is("aof_enabled", "1") {
        return match facts.config("appendfsync") {
            Some("always") => Finding::new(
                what,
                "appendonly yes, appendfsync always",
                "nothing that was answered with ok is lost, if the machine fails too",
            ),
            Some("no") => Finding::new(
                what,
                "appendonly yes, appendfsync no",
                "if the machine fails, what the kernel had not written is lost, often 30 seconds",
            )
            .better("set appendfsync everysec, or always"),
            Some(fsync) => Finding::new(
                what,
                format!("appendonly yes, appendfsync {fsync}"),
                "if the machine fails, the last second is lost, of messages answered with ok too; with always nothing is",
            ),
            None => Finding::new(
                what,
                "appendonly yes, appendfsync not known: this user may not CONFIG GET",
                "if the machine fails, nothing is lost with always, a second with everysec, and more with no",
            ),
        };
    }
    let appendonly = "set appendonly yes, with appendfsync everysec, or always";
    match facts.config("save") {
        Some("") => {
            Finding::new(what, "none", "all rooms are lost when Redis restarts").better(appendonly)
        }
        save => {
            let save = save.map_or("not known".to_owned(), |save| format!("\"{save}\""));
            Finding::new(
                what,
                format!("appendonly no, save {save}"),
                "what was said since the last snapshot is lost when Redis fails, if there are snapshots",
            )
            .better(appendonly)
        }
    }
}

fn output(facts: &Facts) -> Finding {
    let what = "output of pub/sub";
    let Some(limits) = facts.config("client-output-buffer-limit") else {
        return Finding::new(
            what,
            "not known: this user may not CONFIG GET",
            "a node that is slower than that is cut off, comes back, and reads what it missed",
        );
    };
    let words: Vec<&str> = limits.split_whitespace().collect();
    let of_pubsub = words.iter().position(|word| *word == "pubsub");
    let numbers = of_pubsub.and_then(|at| words.get(at + 1..at + 4));
    let numbers: Vec<u64> = numbers
        .into_iter()
        .flatten()
        .filter_map(|word| word.parse().ok())
        .collect();
    let &[hard, soft, seconds] = &numbers[..] else {
        return Finding::new(what, limits, "is not understood");
    };
    let value = format!("{hard} bytes at once, {soft} bytes for {seconds} s");
    let advice = "set client-output-buffer-limit \"pubsub 32mb 8mb 60\"";
    match hard {
        0 => Finding::new(
            what,
            value,
            "a node that does not read fills the memory of Redis",
        )
        .better(advice),
        hard if hard < LEAST_OUTPUT => {
            Finding::new(what, value, "nodes are cut off when much is said at once").better(advice)
        }
        _ => Finding::new(
            what,
            value,
            "a node that is slower than that is cut off, comes back, and reads what it missed",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Report;
    use super::*;

    const WELL: &str = "redis_version:7.0.15\r\nredis_mode:standalone\r\nrole:master\r\nconnected_slaves:0\r\n\
        maxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\naof_last_write_status:ok\r\n\
        rdb_last_bgsave_status:ok\r\n";
    const CONFIG: [(&str, &str); 3] = [
        ("appendfsync", "everysec"),
        ("save", "3600 1"),
        (
            "client-output-buffer-limit",
            "normal 0 0 0 slave 1 1 1 pubsub 33554432 8388608 60",
        ),
    ];

    fn report(info: &str, config: &[(&str, &str)]) -> Report {
        let mut report = Report::default();
        let facts = Facts::of(info, config);
        findings(&facts).into_iter().for_each(|it| report.add(it));
        report
    }

    #[test]
    fn a_usual_redis_is_well() {
        let report = report(WELL, &CONFIG);
        assert!(report.is_well(), "{report}");
        assert!(report.to_string().contains("Redis 7.0.15"), "{report}");
    }

    #[test]
    fn what_is_wrong_is_found_and_how_bad_it_is() {
        let changed = |from: &str, to: &str| WELL.replace(from, to);
        for (info, words, is_usable) in [
            (
                changed("7.0.15", "6.0.16"),
                "take Redis 6.2 or newer",
                false,
            ),
            (
                changed("mode:standalone", "mode:sentinel"),
                "redis+sentinel://",
                false,
            ),
            (
                changed(
                    "role:master",
                    "role:slave\nmaster_host:10.0.0.1\nmaster_port:7",
                ),
                "redis://10.0.0.1:7",
                false,
            ),
            (
                changed("noeviction", "allkeys-lru"),
                "rooms can vanish",
                true,
            ),
            (
                changed("aof_enabled:1", "aof_enabled:0"),
                "set appendonly yes",
                true,
            ),
            (
                changed("write_status:ok", "write_status:err"),
                "disk may be full",
                true,
            ),
        ] {
            let report = report(&info, &CONFIG);
            assert!(!report.is_well(), "{report}");
            assert_eq!(report.is_usable(), is_usable, "{report}");
            assert!(report.to_string().contains(words), "{words}: {report}");
        }
    }

    #[test]
    fn settings_are_looked_at_where_they_may_be() {
        for (name, value, words) in [
            ("appendfsync", "no", "set appendfsync everysec"),
            (
                "client-output-buffer-limit",
                "pubsub 0 0 0",
                "fills the memory",
            ),
            (
                "client-output-buffer-limit",
                "pubsub 1000 0 0",
                "are cut off when much",
            ),
        ] {
            let mut config = CONFIG;
            config
                .iter_mut()
                .filter(|it| it.0 == name)
                .for_each(|it| it.1 = value);
            let report = report(WELL, &config);
            assert!(
                !report.is_well() && report.to_string().contains(words),
                "{report}"
            );
        }
        let unknown = report(WELL, &[]);
        assert!(unknown.is_well(), "{unknown}");
        assert!(
            unknown.to_string().contains("appendfsync not known"),
            "{unknown}"
        );
    }

    #[test]
    fn versions_are_told_apart() {
        for (info, is_sharded, words) in [
            (
                "redis_version:6.2.14",
                false,
                "all masters before version 7",
            ),
            (
                "redis_version:7.2.4\nserver_name:valkey\nvalkey_version:8.1.0",
                true,
                "Valkey 8.1.0",
            ),
            (
                "redis_version:9.0.0",
                true,
                "newer than what parlor is tested with",
            ),
        ] {
            let facts = Facts::of(info, &[]);
            assert_eq!(super::is_sharded(&facts), is_sharded);
            let mut report = Report::default();
            report.add(server(&facts));
            assert!(
                report.is_well() && report.to_string().contains(words),
                "{report}"
            );
        }
    }
}
