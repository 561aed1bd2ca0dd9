//! `parlor token`, and what is wrong with files of keys.

use crate::common::{SECRET, Server, TestFile, get, run};

#[test]
fn it_makes_a_token_that_is_taken() {
    let file = TestFile::new(format!("{SECRET}\n"));
    let server = Server::start(&["--secret-file", file.path()]);
    let made = run(&[
        "token",
        "--secret-file",
        file.path(),
        "--sub",
        "alice",
        "--subscribe",
        "tea-*",
        "--publish",
        "tea-1",
        "--ttl",
        "1h",
    ]);
    assert!(made.status.success(), "{}", made.stderr);
    let token = made.stdout.trim_end();
    assert_eq!((made.stdout.lines().count(), made.stderr.as_str()), (1, ""));
    let ask = |room: &str| {
        let target = format!("/rooms/{room}/members?token={token}");
        server.http().ask(get(&target)).status
    };
    assert_eq!((ask("tea-2"), ask("coffee")), (200, 403));
}

#[test]
fn a_token_without_rights_is_told_of() {
    let file = TestFile::new(SECRET);
    let make = |rights: &[&str]| {
        let flags = ["token", "--secret-file", file.path(), "--sub", "alice"];
        let made = run(&[&flags, rights].concat());
        assert!(made.status.success());
        assert_eq!(made.stdout.lines().count(), 1);
        made.stderr
    };
    assert!(make(&[]).contains("allows nothing but direct messages"));
    for rights in [
        &["--publish", "tea"][..],
        &["--subscribe", "*"],
        &["--admin"],
    ] {
        assert_eq!(make(rights), "", "{rights:?}");
    }
}

#[test]
fn patterns_of_no_room_and_too_many_are_refused() {
    let file = TestFile::new(SECRET);
    let make = |rights: &[&str]| {
        let flags = ["token", "--secret-file", file.path(), "--sub", "alice"];
        let made = run(&[&flags, rights].concat());
        (made.status.code(), made.stderr)
    };
    for pattern in ["", "a b", "tea/x", "%2F"] {
        let (status, why) = make(&["--publish", pattern]);
        assert_eq!(status, Some(1), "{pattern:?}");
        assert!(why.contains(&format!("{pattern:?}")), "{why}");
    }
    let (status, why) = make(&["--subscribe", "tea-*"].repeat(101));
    assert_eq!(status, Some(1));
    assert!(why.contains("more than 100 patterns"), "{why}");
}

#[test]
fn what_cannot_be_made() {
    let file = TestFile::new(SECRET);
    let short = TestFile::new("too short");
    let cases: [(&[&str], i32, &str); 8] = [
        (&["--port", "0", "--audience", "a"], 2, "--secret-file"),
        (
            &[
                "token",
                "--secret-file",
                file.path(),
                "--sub",
                "a",
                "--ttl",
                "0s",
            ],
            1,
            "1s to 100years",
        ),
        (
            &[
                "token",
                "--secret-file",
                file.path(),
                "--sub",
                "a",
                "--ttl",
                "18446744073709551615s",
            ],
            1,
            "1s to 100years",
        ),
        (&["token", "--sub", "a"], 2, "--secret-file"),
        (&["token", "--secret-file", file.path()], 2, "--sub"),
        (
            &[
                "token",
                "--secret-file",
                file.path(),
                "--sub",
                "a",
                "--ttl",
                "soon",
            ],
            2,
            "--ttl",
        ),
        (
            &["token", "--secret-file", short.path(), "--sub", "a"],
            1,
            "at least 32 bytes",
        ),
        (
            &["token", "--secret-file", "/nowhere", "--sub", "a"],
            1,
            "/nowhere",
        ),
    ];
    for (flags, code, words) in cases {
        let ended = run(flags);
        assert_eq!(ended.status.code(), Some(code), "{flags:?}");
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
    let guest = run(&["token", "--secret-file", file.path(), "--sub", "guest-1"]);
    assert!(guest.stderr.contains("no name"), "{}", guest.stderr);
}

#[test]
fn files_that_are_of_no_use() {
    let short = TestFile::new("too short");
    let empty = TestFile::new(r#"{"keys":[]}"#);
    for (flag, path, words) in [
        ("--secret-file", short.path(), "at least 32 bytes"),
        ("--secret-file", "/nowhere", "cannot read /nowhere"),
        // What has no end, or is waited for, as on SIGHUP.
        ("--secret-file", "/dev/zero", "is no regular file"),
        ("--jwks-file", "/dev/zero", "is no regular file"),
        ("--jwks-file", "/nowhere", "cannot read /nowhere"),
        ("--jwks-file", short.path(), "not a JSON Web Key Set"),
        ("--jwks-file", empty.path(), "no key"),
    ] {
        let ended = run(&["--port", "0", flag, path]);
        assert_eq!(ended.status.code(), Some(1), "{flag} {path}");
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn a_secret_that_others_may_read_is_told_of() {
    let file = TestFile::new(SECRET);
    file.expose();
    let server = Server::start(&["--secret-file", file.path()]);
    server.wait_for_log(|line| line.contains("others may read the secret"));
}
