//! `parlor doctor --redis`, against real ones.

use std::net::TcpListener;

use crate::common::{Data, Finished, Redis, Server, eventually, run};

const WELL: [&str; 4] = ["--appendonly", "yes", "--save", ""];

fn examine(urls: &[&str]) -> Finished {
    let flags = urls.iter().flat_map(|url| ["--redis", url]);
    run(&[&["doctor"][..], &flags.collect::<Vec<_>>()].concat())
}

/// The doctor's report of a Redis that nodes can use.
fn report(urls: &[&str]) -> String {
    let found = examine(urls);
    assert!(found.status.success(), "{}{}", found.stdout, found.stderr);
    found.stdout
}

/// The report and the error about one that they cannot use.
fn refused(urls: &[&str]) -> String {
    let found = examine(urls);
    assert_eq!(found.status.code(), Some(1), "{}", found.stdout);
    assert_eq!(found.stderr.lines().count(), 1, "{}", found.stderr);
    found.stdout + &found.stderr
}

fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}

#[test]
fn a_redis_that_is_set_well_is_said_to_be_and_left_as_it_was() {
    let redis = Redis::start(&WELL);
    let report = report(&[&redis.url()]);
    has(
        &report,
        &[
            "master, replicas: 0",
            "no maxmemory, noeviction",
            "appendonly yes, appendfsync everysec",
            "33554432 bytes at once",
            "commands tried",
            "nodes hear each other",
            "PING p50",
            "Nothing has to be changed.",
        ],
    );
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
}

#[test]
fn the_folder_of_files_is_looked_at_too() {
    let (redis, data) = (Redis::start(&WELL), Data::new());
    let url = redis.url();
    let folder = data.folder().to_str().unwrap().to_owned();
    let examine = |folder: &str| run(&["doctor", "--redis", &url, "--files", folder]);
    let missing = examine(&format!("{folder}/missing"));
    assert!(missing.status.success(), "{}", missing.stderr);
    has(
        &missing.stdout,
        &["it is not there yet", "Better, for the files"],
    );
    std::fs::create_dir_all(&folder).unwrap();
    let there = examine(&folder);
    has(
        &there.stdout,
        &[
            "a file can be written, renamed and removed",
            "Nothing has to be changed.",
        ],
    );
    let none = examine("/dev/null");
    assert_eq!(none.status.code(), Some(1), "{}", none.stdout);
    has(
        &none.stdout,
        &["it is no directory", "Needed, for the files"],
    );
    let alone = run(&["doctor", "--files", &folder]);
    assert_eq!(alone.status.code(), Some(2));
}

#[test]
fn settings_that_had_better_be_others_are_named() {
    let redis = Redis::start(&["--save", "", "--maxmemory-policy", "allkeys-lru"]);
    let report = report(&[&redis.url()]);
    has(
        &report,
        &[
            "Better, for the persistence: set appendonly yes",
            "Better, for the memory: set maxmemory-policy noeviction",
        ],
    );
    assert!(!report.contains("Nothing has to be changed"), "{report}");
}

/// The line of the guide that makes a user for nodes.
fn acl_of_the_guide() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/guide/redis.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let (_, line) = guide.split_once("```text\nACL SETUSER").unwrap();
    let (line, _) = line.split_once("```").unwrap();
    let words = ["ACL", "SETUSER"]
        .into_iter()
        .chain(line.split_whitespace());
    words.map(str::to_owned).collect()
}

#[test]
fn the_user_of_the_guide_may_do_what_is_needed_and_no_less_will_do() {
    let redis = Redis::start(&WELL);
    let set = |words: &[&str]| assert_eq!(redis.cli(words), "OK", "{words:?}");
    let acl = acl_of_the_guide();
    set(&acl.iter().map(String::as_str).collect::<Vec<_>>());
    let url = format!("redis://parlor:password@127.0.0.1:{}", redis.port);
    has(
        &report(&[&url]),
        &[
            "appendfsync not known",
            "this user may do all that a node does",
        ],
    );
    for (lacks, right) in [
        ("-xadd", "+xadd"),
        ("-client|kill", "+client|kill"),
        ("-ssubscribe", "+ssubscribe"),
        ("resetkeys", "~parlor:*"),
        ("resetchannels", "&parlor:*"),
    ] {
        set(&["ACL", "SETUSER", "parlor", lacks]);
        has(
            &refused(&[&url]),
            &[&format!(
                "Needed, for the rights: ACL SETUSER parlor {right}."
            )],
        );
        set(&["ACL", "SETUSER", "parlor", right]);
        report(&[&url]);
    }
}

#[test]
fn without_a_way_in_one_line_says_what_to_do() {
    let redis = Redis::start(&["--requirepass", "secret"]);
    let other = Server::start(&[]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = |login: &str, port: u16| format!("redis://{login}127.0.0.1:{port}");
    let nobody = {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        holder.local_addr().unwrap().port()
    };
    for (url, words) in [
        (at("", redis.port), "wants a password"),
        (
            at("ana:wrong@", redis.port),
            "does not take the user or the password",
        ),
        (
            at(":wrong@", redis.port),
            "does not take the user or the password",
        ),
        (at("", nobody), "does Redis run there?"),
        (at("", other.port), "does not answer"),
        (
            at("", silent.local_addr().unwrap().port()),
            "no reply in 5 seconds",
        ),
    ] {
        let found = examine(&[&url]);
        assert_eq!(
            (found.status.code(), found.stderr.lines().count()),
            (Some(1), 1),
            "{url}: {}",
            found.stderr
        );
        has(&found.stderr, &[words]);
        assert!(!found.stderr.contains("wrong@"), "{}", found.stderr);
    }
    has(&report(&[&at(":secret@", redis.port)]), &["commands tried"]);
    let bad = examine(&["localhost"]);
    assert_eq!(bad.status.code(), Some(2));
    has(&bad.stderr, &["expected redis://"]);
}

#[test]
fn a_replica_is_no_place_for_a_node() {
    let master = Redis::start(&WELL);
    let of = format!("127.0.0.1 {}", master.port);
    let replica = Redis::start(&["--replicaof", &of]);
    has(
        &refused(&[&replica.url()]),
        &[&format!(
            "name its master, redis://127.0.0.1:{}",
            master.port
        )],
    );
    eventually("the replica to be there", || {
        redis_says(&master, "connected_slaves:1")
    });
    has(
        &report(&[&master.url()]),
        &["master, replicas: 1", "takes over"],
    );
}

fn redis_says(redis: &Redis, words: &str) -> bool {
    redis.cli(&["INFO", "replication"]).contains(words)
}

#[test]
fn a_redis_that_takes_nothing_is_of_no_use() {
    let redis = Redis::start(&["--maxmemory", "1mb"]);
    has(
        &refused(&[&redis.url()]),
        &["OOM command not allowed", "Needed, for the rights"],
    );
}

#[test]
fn a_cluster_is_looked_at_as_a_whole() {
    let redis = Redis::start(&[&WELL[..], &["--cluster-enabled", "yes"]].concat());
    has(
        &refused(&[&redis.url()]),
        &["state fail", "Needed, for the cluster"],
    );
    assert_eq!(redis.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    eventually("the cluster to be well", || {
        redis.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    });
    // Named twice, looked at once.
    let report = report(&[&redis.url(), &redis.url()]);
    has(
        &report,
        &["1 masters, 1 nodes, 16384 of 16384 slots", "64 of 64"],
    );
    assert_eq!(report.matches("PING p50").count(), 1, "{report}");
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
}

#[test]
fn a_sentinel_is_asked_for_the_master() {
    let master = Redis::start(&WELL);
    let sentinel = Redis::sentinel("mine", master.port);
    let url = |name: &str| format!("redis+sentinel://127.0.0.1:{}/{name}", sentinel.port);
    let report = report(&[&url("mine")]);
    has(
        &report,
        &[
            "quorum 1, replicas: 0",
            "add a replica",
            &master.url(),
            "PING p50",
        ],
    );
    has(
        &refused(&[&url("other")]),
        &["does not know a master \"other\""],
    );
    has(
        &refused(&[&sentinel.url()]),
        &["name it as redis+sentinel://"],
    );
}
