//! Where settings come from: flags, the environment and a file; what SIGHUP changes of them; and what of it all is told.

use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::common::tls::Authority;
use crate::common::{
    Finished, JsonClient, SECRET, Server, TestFile, get, post, run, run_with_environment, token_of,
};

/// A run that failed with status 1, and what it said.
#[track_caller]
fn errors(finished: &Finished) -> Vec<String> {
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    let lines = finished.stderr.lines();
    lines.map(str::to_owned).collect()
}

/// What `parlor check` says of each setting that does not have its default.
#[track_caller]
fn checked(flags: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let finished = run_with_environment(variables, &[&["check"], flags].concat());
    assert!(finished.status.success(), "{}", finished.stderr);
    let lines = finished.stdout.lines();
    let set = lines.filter(|line| !line.ends_with("# default"));
    // The comments stand below one another.
    set.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// The status of a POST of so many bytes.
fn posted(server: &Server, room: &str, length: usize) -> u16 {
    let request = post(&format!("/rooms/{room}"), "", "x".repeat(length));
    server.http().ask(request).status
}

/// How many messages a room remembers.
fn remembered(server: &Server, room: &str) -> usize {
    let response = server.http().ask(get(&format!("/rooms/{room}/messages")));
    let page: Value = serde_json::from_slice(&response.body).expect("JSON");
    page["messages"].as_array().expect("a list").len()
}

/// Has the server read everything again, and waits until it says this.
fn reload(server: &Server, words: &str) {
    server.signal("HUP");
    server.wait_for_log(|line| line.contains(words));
}

#[test]
fn a_server_begins_with_its_file() {
    let file = TestFile::new("port = 0\nbind = \"127.0.0.1\"\nmax-message = 10\n");
    let server = Server::start_bare(&["--config", file.path()], &[]);
    assert!(
        server.announcement.contains("http://127.0.0.1:"),
        "{}",
        server.announcement
    );
    assert_eq!(
        (posted(&server, "tea", 10), posted(&server, "tea", 11)),
        (200, 413)
    );
}

/// The first block of commands of the guide, as a reader would type it, but for the port and an end.
#[test]
fn three_lines_of_the_guide_start_a_server() {
    let page = include_str!("../../assets/guide/configuration.md");
    let block = page.split("```").nth(1).expect("a block");
    let lines: Vec<&str> = block.lines().skip(1).collect();
    assert_eq!(lines.len(), 3, "{block}");
    let script = lines.join("\n").replace("= 9999", "= 0");
    let script = script.replace("parlor --config", "exec parlor --config");
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lines-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_parlor"));
    let path = std::env::join_paths([
        binary.parent().unwrap(),
        "/usr/bin".as_ref(),
        "/bin".as_ref(),
    ]);
    let mut command = Command::new("sh");
    command
        .args(["-euc", &script])
        .env("PATH", path.unwrap())
        .current_dir(&folder);
    let server = Server::start_by(command);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(
        server
            .announcement
            .starts_with("parlor listening on http://localhost:")
    );
    assert_eq!(posted(&server, "tea", 1), 200);
}

#[test]
fn a_server_begins_with_its_environment() {
    let file = TestFile::new("max-message = 5\nport = 0");
    let variables = [("PARLOR_MAX_MESSAGE", "10"), ("PARLOR_CONFIG", file.path())];
    let server = Server::start_bare(&[], &variables);
    assert_eq!(
        (posted(&server, "tea", 10), posted(&server, "tea", 11)),
        (200, 413)
    );
    let server = Server::start_bare(&["--max-message", "20"], &variables);
    assert_eq!(
        (posted(&server, "tea", 20), posted(&server, "tea", 21)),
        (200, 413)
    );
}

#[test]
fn a_check_says_where_each_value_comes_from() {
    let text = "rate = 1\nhistory = 1\nmax-keys = 1\n[[rooms]]\npattern = \"plant-*\"\noverflow = \"latest\"\n";
    let file = TestFile::new(text);
    let variables = [("PARLOR_RATE", "2"), ("PARLOR_HISTORY", "2")];
    let told = checked(&["--config", file.path(), "--rate", "3"], &variables);
    let at = |line: usize| format!("{}:{line}", file.path());
    assert_eq!(
        told,
        [
            "rate = 3 # flag".to_owned(),
            "history = 2 # environment".to_owned(),
            format!("max-keys = 1 # {}", at(3)),
            format!(
                "# [[rooms]] pattern = \"plant-*\", overflow = \"latest\" # {}",
                at(4)
            ),
        ]
    );
    // What it prints is a file again, but for the rooms.
    let printed = run(&["check", "--rate", "3"]).stdout;
    let printed = TestFile::new(printed);
    let told = checked(&["--config", printed.path()], &[]);
    assert!(
        told.iter().any(|line| line.starts_with("rate = 3 # ")),
        "{told:?}"
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_the_nearest_name() {
    let file = TestFile::new("port = 0\nmax-qeue = 5\nrate = \"fast\"\n");
    let at = |line: usize| format!("{}:{line}", file.path());
    let variables = [("PARLOR_MAX_ROOM", "5"), ("PARLOR_RATE", "many")];
    let expected = [
        format!(
            "parlor: {}: there is no setting max-qeue; did you mean max-queue?",
            at(2)
        ),
        format!(
            "parlor: {}: rate: expected a whole number, not this string",
            at(3)
        ),
        "parlor: PARLOR_MAX_ROOM: there is no such setting; did you mean PARLOR_MAX_ROOMS?"
            .to_owned(),
        "parlor: PARLOR_RATE: expected a whole number from 0 to 1000000, not \"many\"".to_owned(),
    ];
    for command in [&["check"][..], &[]] {
        let flags = [command, &["--config", file.path()]].concat();
        let finished = run_with_environment(&variables, &flags);
        assert_eq!(finished.stdout, "");
        assert_eq!(errors(&finished), expected);
    }
    let none = errors(&run(&["--config", "/nowhere/parlor.toml"]));
    assert!(
        none[0].contains("cannot read /nowhere/parlor.toml"),
        "{none:?}"
    );
    assert_eq!(none.len(), 1);
}

#[test]
fn what_is_printed_as_the_default_is_the_default() {
    let printed = run(&["config"]);
    assert!(printed.status.success());
    let file = TestFile::new(&printed.stdout);
    let plain = run(&["check"]).stdout;
    let from_file = run(&["check", "--config", file.path()]).stdout;
    let values = |report: &str| -> Vec<String> {
        let lines = report
            .lines()
            .map(|line| line.rsplit_once(" # ").unwrap().0.to_owned());
        lines.collect()
    };
    assert_eq!(values(&from_file), values(&plain));
    assert!(from_file.contains("max-queue = 1048576"), "{from_file}");
    // A shell's `<(parlor config)` is a pipe.
    let script = format!(
        "{0} config | {0} check --config /dev/stdin",
        env!("CARGO_BIN_EXE_parlor")
    );
    let piped = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(piped.status.success(), "{piped:?}");
    assert_eq!(
        values(&String::from_utf8(piped.stdout).unwrap()),
        values(&plain)
    );
}

#[test]
fn a_check_looks_into_the_files_and_shows_nothing_of_them() {
    let secret = TestFile::new(SECRET);
    let authority = Authority::new("check");
    let own = authority.flags();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let flags = [&["check", "--secret-file", secret.path()], &own[..]].concat();
    let finished = run(&flags);
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(
        finished
            .stdout
            .contains(&format!("secret-file = \"{}\"", secret.path()))
    );
    secret.write("s3cret");
    std::fs::write(authority.key(), "no key").unwrap();
    let short = run(&flags);
    let wrong = run(&[&["check"], &own[..]].concat());
    for (finished, word) in [(short, "secret"), (wrong, "key.pem")] {
        let everything = finished.stdout.clone() + &finished.stderr;
        assert!(
            !everything.contains("s3cret") && !everything.contains("no key\n"),
            "{everything}"
        );
        let told = errors(&finished);
        assert!(told.len() == 1 && told[0].contains(word), "{told:?}");
    }
    // A file that was never meant to be one of settings is not shown either.
    let told = errors(&run(&["check", "--config", secret.path()]));
    assert!(told.iter().all(|line| !line.contains("s3cret")), "{told:?}");
}

#[test]
fn sighup_applies_what_a_file_says_now() {
    let file = TestFile::new("max-message = 10");
    let server = Server::start(&["--config", file.path(), "--max-rooms", "2"]);
    let mut member = server.client("/ws/tea");
    assert_eq!(posted(&server, "tea", 11), 413);
    assert_eq!(server.log(), "");
    // What has changed is told at this level.
    file.write("max-message = 20\nmax-rooms = 50\nlog = \"info\"");
    reload(&server, "max-message is 20 now, and was 10");
    member.say("who is here stays");
    assert_eq!(
        (posted(&server, "tea", 20), posted(&server, "tea", 21)),
        (200, 413)
    );
    // The flag wins, still: a room that somebody is in does not end for another.
    let _other = server.client("/ws/green");
    assert_eq!(posted(&server, "white", 1), 503);
    assert!(!server.log().contains("max-rooms is"), "{}", server.log());
}

#[test]
fn a_file_that_is_no_good_now_changes_nothing() {
    let (file, secret) = (TestFile::new("max-message = 10"), TestFile::new(SECRET));
    let flags = [
        "--config",
        file.path(),
        "--secret-file",
        secret.path(),
        "-v",
    ];
    let server = Server::start(&flags);
    let status = |length: usize| {
        let bearer = format!("Authorization: Bearer {}\r\n", token_of("alice"));
        let request = post("/rooms/tea", &bearer, "x".repeat(length));
        server.http().ask(request).status
    };
    assert_eq!(status(11), 413);
    let before = status(10);
    // The key is another one, and good; the file is not.
    file.write("max-message = 20\n\nmax-mesage = 20");
    secret.write("another secret of at least 32 bytes, too");
    server.signal("HUP");
    let told = server.wait_for_log(|line| line.contains("SIGHUP changes nothing"));
    assert!(told.contains(&format!("{}:3: ", file.path())), "{told}");
    assert!(told.contains("did you mean max-message?"), "{told}");
    assert_eq!((status(10), status(11)), (before, 413));
    // The file is good, and the key is not.
    file.write("max-message = 20");
    secret.write("short");
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("the old keys for tokens stay"));
    assert_eq!((status(10), status(11)), (before, 413));
    secret.write(SECRET);
    reload(&server, "max-message is 20 now");
    assert_eq!(status(11), before);
}

#[test]
fn what_takes_a_restart_is_told_and_stays() {
    let (file, secret) = (
        TestFile::new("port = 0\nmax-message = 10"),
        TestFile::new(SECRET),
    );
    let server = Server::start_bare(&["--config", file.path()], &[]);
    let wanted = format!(
        "port = 1\nmax-message = 20\nsecret-file = \"{}\"",
        secret.path()
    );
    file.write(&wanted);
    server.signal("HUP");
    let port = server.wait_for_log(|line| line.contains("port stays 0 until"));
    assert!(port.contains("the sockets are bound once"), "{port}");
    let guard = server.wait_for_log(|line| line.contains("secret-file stays unset until"));
    assert!(guard.contains("under the rule that held then"), "{guard}");
    // All else holds, and nobody is asked for a token.
    assert_eq!(
        (posted(&server, "tea", 20), posted(&server, "tea", 21)),
        (200, 413)
    );
}

#[test]
fn settings_that_came_through_a_pipe_stay() {
    let pipe = TestFile::new("");
    std::fs::remove_file(pipe.path()).unwrap();
    let made = Command::new("mkfifo").arg(pipe.path()).status().unwrap();
    assert!(made.success());
    let server = thread::scope(|scope| {
        scope.spawn(|| std::fs::write(pipe.path(), "max-message = 10"));
        Server::start(&["--config", pipe.path()])
    });
    server.signal("HUP");
    let told = server.wait_for_log(|line| line.contains("SIGHUP changes nothing"));
    assert!(told.contains("no regular file"), "{told}");
    assert_eq!(
        (posted(&server, "tea", 10), posted(&server, "tea", 11)),
        (200, 413)
    );
}

#[test]
fn a_room_pattern_limits_what_its_rooms_remember() {
    let file = TestFile::new(
        "history = 5\nrate = 0\n[[rooms]]\npattern = \"plant-*\"\nhistory = 2\nmax-keys = 1\n",
    );
    let server = Server::start(&["--config", file.path(), "-v"]);
    for room in ["plant-1", "lobby"] {
        for _ in 0..9 {
            assert_eq!(posted(&server, room, 1), 200);
        }
    }
    let both = |server: &Server| (remembered(server, "plant-1"), remembered(server, "lobby"));
    assert_eq!(both(&server), (2, 5));
    let mut client = JsonClient::new(&server, "/ws");
    let mut set = |room: &str, key: &str| {
        let publish =
            json!({"type": "publish", "room": room, "data": 1, "key": key, "retain": true});
        client.ask(publish)["type"].clone()
    };
    assert_eq!(
        (set("plant-1", "a"), set("plant-1", "b")),
        (json!("ok"), json!("error"))
    );
    assert_eq!(
        (set("lobby", "a"), set("lobby", "b")),
        (json!("ok"), json!("ok"))
    );
    // Rooms that there are follow when it changes.
    file.write("history = 3\nrate = 0\n[[rooms]]\npattern = \"lobby\"\nhistory = 1\n");
    reload(&server, "the room patterns are others now");
    // Of the lobby one without a key, and one of each key.
    assert_eq!(both(&server), (3, 3));
    posted(&server, "plant-1", 1);
    posted(&server, "plant-1", 1);
    assert_eq!(both(&server).0, 3 + 1);
}
