use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use log::LevelFilter;

use super::flags::command;
use super::template::{assignment, example, template};
use super::{Config, Invocation, file};
use crate::settings::{ALL, HookEvent, Settings, Severity};

/// What comes of flags, variables and a file of this text, or what is wrong with them.
fn load(flags: &[&str], variables: &[(&str, &str)], text: Option<&str>) -> Result<Config, String> {
    let folder = std::env::temp_dir();
    let number = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let path = folder.join(format!("parlor-{}-{number}.toml", std::process::id()));
    let mut arguments: Vec<OsString> = vec!["parlor".into()];
    arguments.extend(flags.iter().map(Into::into));
    if let Some(text) = text {
        std::fs::write(&path, text).unwrap();
        arguments.extend(["--config".into(), path.clone().into()]);
    }
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    let invocation = Invocation::parse(arguments, variables).map_err(|error| error.to_string())?;
    let Invocation::Serve(sources) = invocation else {
        panic!("it is to serve");
    };
    let config = sources.load();
    let _ = std::fs::remove_file(&path);
    let shown = path.display().to_string();
    config.map_err(|error| error.to_string().replace(&shown, "parlor.toml"))
}

fn of_flags(flags: &[&str]) -> Result<Config, String> {
    load(flags, &[], None)
}

/// Errors of a file.
fn errors(text: &str) -> Vec<String> {
    let error = load(&[], &[], Some(text)).err().unwrap_or_default();
    error.lines().map(str::to_owned).collect()
}

fn values(settings: &Settings) -> BTreeMap<String, Vec<String>> {
    ALL.iter().map(|it| (it.name(), it.get(settings))).collect()
}

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn defaults() {
    let config = of_flags(&[]).unwrap();
    assert_eq!(values(&config.settings), values(&Settings::default()));
    assert_eq!(
        (config.settings.listen.port, config.settings.listen.bind),
        (8080, None)
    );
    assert_eq!(config.log_level(), LevelFilter::Warn);
    assert_eq!(config.settings.limits.ping_interval.ms(), Some(25_000));
    assert_eq!(config.place_of("port"), "default");
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(of_flags(&["-q", "-v"]).is_err());
    assert!(of_flags(&["--log", "info", "-v"]).is_err());
    assert!(of_flags(&["--bind", "nowhere"]).is_err());
    for half in ["--tls-cert", "--tls-key"] {
        let error = of_flags(&[half, "file.pem"]).unwrap_err();
        assert!(error.contains(&format!("{half} needs --tls-")), "{error}");
    }
    let error = of_flags(&["--udp-bind", "::1"]).unwrap_err();
    assert!(
        error.starts_with("error: --udp-bind needs --udp-port, too\n"),
        "{error}"
    );
    let error = load(&[], &[("PARLOR_TLS_KEY", "k")], Some("audience = \"us\"")).unwrap_err();
    assert_eq!(
        error,
        "PARLOR_TLS_KEY needs PARLOR_TLS_CERT, too\n\
        parlor.toml:1: audience needs secret-file or jwks-file or jwks-url, too"
    );
}

#[test]
fn files_are_shared_by_redis_alone() {
    let error = of_flags(&["--files", "f"]).unwrap_err();
    assert!(error.contains("--files needs --redis, too"), "{error}");
    for flags in [
        vec!["--files", "f", "--data", "d"],
        vec!["--files", "f", "--data", "d", "--redis", "redis://db"],
    ] {
        let error = of_flags(&flags).unwrap_err();
        assert!(
            error.contains("--files and --data exclude each other: with --data"),
            "{error}"
        );
        assert!(!error.contains("needs"), "{error}");
    }
    assert!(of_flags(&["--files", "f", "--redis", "redis://db"]).is_ok());
}

/// A webhook that others can be said of.
const WEBHOOK: &str = "webhook = \"https://a.example\"\nwebhook-secret-file = [\"s\"]";

#[test]
fn every_setting_can_be_set_by_each_source() {
    for setting in ALL {
        let (name, value) = (setting.name(), example(setting));
        let flag = format!("--{name}");
        let flags = match setting.unit.name {
            "" => vec![&*flag],
            _ => vec![&*flag, &value],
        };
        let line = assignment(setting, std::slice::from_ref(&value));
        // Those that need another get it from the file.
        let others = [
            ("tls-cert", "tls-key = \"k\""),
            ("tls-key", "tls-cert = \"c\""),
            ("udp-bind", "udp-port = 0"),
            ("audience", "secret-file = \"s\""),
            ("jwks-ca", "jwks-url = \"https://a.example\""),
            ("redis-ca", "redis = [\"redis://db\"]"),
            ("files", "redis = [\"redis://db\"]"),
            ("push-contact", "push-key = \"k\""),
            ("push-key", "push-contact = \"mailto:ops@example.org\""),
            ("webhook", "webhook-secret-file = [\"s\"]"),
            ("webhook-secret-file", "webhook = \"https://a.example\""),
            ("webhook-rooms", WEBHOOK),
            ("webhook-events", WEBHOOK),
        ];
        let other = others.iter().find(|(it, _)| *it == name);
        let other = other.map_or("", |(_, other)| other);
        let variable = setting.variable();
        let by_flag = load(&flags, &[], Some(other)).unwrap();
        let by_variable = load(&[], &[(&*variable, &*value)], Some(other)).unwrap();
        let by_file = load(&[], &[], Some(&format!("{other}\n{line}"))).unwrap();
        for config in [&by_flag, &by_variable, &by_file] {
            assert_eq!(setting.get(&config.settings), [&*value], "{name}");
        }
        assert_eq!(by_flag.place_of(&name), "flag");
        assert_eq!(by_variable.place_of(&name), "environment");
        let line = format!(".toml:{}", other.split('\n').count() + 1);
        assert!(by_file.place_of(&name).ends_with(&line), "{name}");
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let text = "rate = 1\nhistory = 1\nmax-keys = 1\nallow-host = [\"a.example\", \"b.example\"]";
    let variables = [("PARLOR_RATE", "2"), ("PARLOR_HISTORY", "2")];
    let flags = ["--rate", "3", "--allow-host", "c.example"];
    let config = load(&flags, &variables, Some(text)).unwrap();
    let limits = &config.settings.limits;
    assert_eq!((limits.rate, limits.history, limits.max_keys), (3, 2, 1));
    // A list is not added to another.
    assert_eq!(values(&config.settings)["allow-host"], ["c.example"]);
    // -v is a flag for the level.
    let config = load(&["-v"], &[("PARLOR_LOG", "error")], Some("log = \"debug\"")).unwrap();
    assert_eq!(config.log_level(), LevelFilter::Info);
}

#[test]
fn an_error_names_the_line_and_the_nearest_name() {
    assert_eq!(
        errors("port = 1\nmax-qeue = 5\n\nmax_keys = 5\nquite-another = 1\n[limits]\nrate = 1"),
        [
            "parlor.toml:2: there is no setting max-qeue; did you mean max-queue?",
            "parlor.toml:4: there is no setting max_keys; did you mean max-keys?",
            "parlor.toml:5: there is no setting quite-another",
            "parlor.toml:6: there is no table limits: settings stand by themselves, as in `port = 8080`",
        ]
    );
}

#[test]
fn a_bad_value_is_told_what_is_expected() {
    assert_eq!(
        errors(
            "port = 70000\nmax-memory = 5\nrate = \"5\"\nping-interval = true\nno-deflate = 1\nbind = \"here\"\nallow-host = [\"a\", 1]"
        ),
        [
            "parlor.toml:1: port: expected a port, a whole number from 0 to 65535, not \"70000\"",
            "parlor.toml:2: max-memory: expected bytes, a whole number, at least 1048576, not \"5\"",
            "parlor.toml:3: rate: expected a whole number, not this string",
            "parlor.toml:4: ping-interval: expected a number of seconds, not this boolean",
            "parlor.toml:5: no-deflate: expected true or false, not this integer",
            "parlor.toml:6: bind: expected an IP address, such as 127.0.0.1 or ::1; the port goes to --port, not \"here\"",
            "parlor.toml:7: allow-host: expected a string in quotes, not this integer",
        ]
    );
    let error = load(&[], &[("PARLOR_RATE", "fast")], None).unwrap_err();
    assert_eq!(
        error,
        "PARLOR_RATE: expected a whole number from 0 to 1000000, not \"fast\""
    );
}

#[test]
fn what_is_no_toml_is_told_the_line_and_not_shown() {
    let errors = errors("port = 1\nthis is s3cret\n");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("parlor.toml:2: "), "{errors:?}");
    assert!(!errors[0].contains("s3cret"), "{errors:?}");
    assert!(
        super::tests::errors("rate = 1\nrate = 2")[0].starts_with("parlor.toml:2: duplicate key")
    );
}

#[test]
fn many_errors_are_counted() {
    let text: String = (0..100)
        .map(|number| format!("unknown-{number} = 1\n"))
        .collect();
    let errors = errors(&text);
    assert_eq!(errors.len(), 21);
    assert_eq!(errors[20], "and 80 more errors");
}

#[test]
fn numbers_may_be_written_as_toml_writes_them() {
    let config = load(
        &[],
        &[],
        Some("max-queue = 1_000_000\nhistory = 0x10\npong-timeout = 0.5\nclose-timeout = 2"),
    );
    let limits = config.unwrap().settings.limits;
    assert_eq!((limits.max_queue, limits.history), (1_000_000, 16));
    assert_eq!(
        (limits.pong_timeout.ms(), limits.close_timeout.ms()),
        (Some(500), Some(2000))
    );
}

#[test]
fn room_patterns_are_read() {
    let text = "history = 7\n[[rooms]]\npattern = \"plant-*\"\nhistory = 2\nhistory-bytes = 99\nhistory-time = 0.5\n\
        max-keys = 3\noverflow = \"latest\"\n[[rooms]]\npattern = \"*\"\nmax-keys = 4\n";
    let config = load(&[], &[], Some(text)).unwrap();
    let of = |name: &str| {
        let limits = config.settings.limits.of_room(name);
        let overflow = limits.overflow.to_string();
        (
            limits.history,
            limits.history_bytes,
            limits.history_time.ms(),
            limits.max_keys,
            overflow,
        )
    };
    assert_eq!(of("plant-1"), (2, 99, Some(500), 3, "latest".to_owned()));
    assert_eq!(
        of("lobby"),
        (7, 1 << 20, Some(86_400_000), 4, "close".to_owned())
    );
    let lines = config.rooms().map(|(rule, place)| (rule.pattern(), place));
    let lines: Vec<_> = lines
        .map(|(pattern, place)| (pattern, place.rsplit(':').next().unwrap().to_owned()))
        .collect();
    assert_eq!(
        lines,
        [
            ("plant-*".to_owned(), "2".to_owned()),
            ("*".to_owned(), "9".to_owned())
        ]
    );
}

#[test]
fn webhooks_are_read() {
    let text = format!(
        "{WEBHOOK}\n[[webhooks]]\nurl = \"https://b.example/hook\"\nsecret-file = [\"one\", \"two\"]\n\
        rooms = \"plant-*\"\nevents = [\"alarm\", \"left\"]\n[[webhooks]]\nurl = \"http://c.example\"\nsecret-file = \"s\"\n"
    );
    let config = load(&[], &[], Some(&text)).unwrap();
    let all = config.settings.hooks.all();
    let urls: Vec<&str> = all.iter().map(|it| it.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://a.example",
            "https://b.example/hook",
            "http://c.example"
        ]
    );
    assert_eq!(all[1].secret_files, ["one", "two"].map(PathBuf::from));
    assert_eq!(all[1].rooms, ["plant-*"]);
    assert_eq!(all[1].events, [HookEvent::Alarm, HookEvent::Left]);
    assert!(all[2].rooms.is_empty() && all[2].events.is_empty());
    let lines = config.webhooks().map(|(_, place)| place);
    let lines: Vec<_> = lines
        .map(|it| it.rsplit(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["3", "8"]);
}

#[test]
fn the_path_of_a_webhook_is_in_no_error() {
    for url in [
        "https://a..b/secret",
        "app.example/secret",
        "http://a:99999/?secret",
    ] {
        let text = format!("[[webhooks]]\nurl = \"{url}\"\n");
        let mut told = errors(&text);
        told.extend(errors(&format!("webhook = \"{url}\"")));
        let flags = load(&["--webhook", url, "--webhook-secret-file", "s"], &[], None);
        told.push(flags.err().unwrap_or_default());
        assert!(told.len() >= 3, "{told:?}");
        for error in told {
            assert!(
                error.contains("expected") && !error.contains("secret\""),
                "{error}"
            );
            assert!(
                !error.contains("/secret") && !error.contains("?secret"),
                "{error}"
            );
        }
    }
}

#[test]
fn what_is_wrong_with_a_webhook_is_told() {
    let text = "[[webhooks]]\nsecret-file = \"s\"\n[[webhooks]]\nurl = \"b.example\"\n[[webhooks]]\n\
        url = \"https://c.example\"\n[[webhooks]]\nurl = \"https://d.example\"\nsecret-file = \"s\"\nevent = 1\n\
        events = [\"msg\"]\nrooms = 7\n";
    assert_eq!(
        errors(text),
        [
            "parlor.toml:1: webhooks: expected a url, as in `url = \"https://app.example/hook\"`",
            "parlor.toml:4: webhooks: url: expected https://host/path, or http:// on a network that nobody else reads; \
            without a user, a password or a fragment, not \"b.example\"",
            "parlor.toml:5: webhooks: a secret-file is needed, which requests are signed with",
            "parlor.toml:10: webhooks: event: there is no such setting of a webhook; did you mean events?",
            "parlor.toml:11: webhooks: events: expected message, keyed, alarm, joined, left, occupied, vacated, banned or escalated, not \"msg\"",
            "parlor.toml:12: webhooks: rooms: expected a string in quotes, not this integer",
        ]
    );
    assert_eq!(
        errors("webhooks = 1"),
        ["parlor.toml:1: webhooks: expected tables, each under a line [[webhooks]]"]
    );
}

#[test]
fn escalations_are_read() {
    let text = "[[escalations]]\nrooms = [\"plant-*\"]\nseverity = \"critical\"\nafter = 300\nrepeat = 600\n\
        steps = [\"webhook:https://a.example\", \"webhook:https://b.example\"]\n\
        [[escalations]]\nafter = 60\nsteps = \"webhook:https://a.example\"\n";
    let config = load(&[], &[], Some(text)).unwrap();
    let [one, two] = &config.settings.hooks.escalations[..] else {
        panic!("two are expected");
    };
    assert_eq!(
        (one.severity, one.after, one.repeat),
        (Severity::Critical, 300, 600)
    );
    assert_eq!(
        (one.steps.len(), &one.rooms[..]),
        (2, &["plant-*".to_owned()][..])
    );
    assert_eq!(
        (two.severity, two.after, two.repeat),
        (Severity::Info, 60, 60)
    );
    let steps: Vec<String> = two.steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        (steps, two.rooms.len()),
        (vec!["webhook:https://a.example".to_owned()], 0)
    );
    let lines: Vec<_> = config.escalations().map(|(_, place)| place).collect();
    assert!(
        lines[0].ends_with(":1") && lines[1].ends_with(":7"),
        "{lines:?}"
    );
}

#[test]
fn what_is_wrong_with_an_escalation_is_told() {
    let text = "[[escalations]]\nafter = 1\n[[escalations]]\nafter = 0\nsteps = [\"shift\"]\n\
        severity = \"high\"\nroom = \"a\"\nrepeat = \"5m\"\n";
    assert_eq!(
        errors(text),
        [
            "parlor.toml:1: escalations: expected after and steps, as in `after = 300` and \
            `steps = [\"webhook:https://app.example/hook\"]`",
            "parlor.toml:4: escalations: after: expected seconds, a whole number from 1 to 604800, not 0",
            "parlor.toml:5: escalations: steps: expected webhook: and the url of a webhook, as in \
            \"webhook:https://app.example/hook\", or push: and names of people, as in \"push:ana,ben\", not \"shift\"",
            "parlor.toml:6: escalations: severity: expected info, warning or critical, not \"high\"",
            "parlor.toml:7: escalations: room: there is no such setting of an escalation; did you mean rooms?",
            "parlor.toml:8: escalations: repeat: expected a whole number, not this string",
        ]
    );
    assert_eq!(
        errors("escalations = 1"),
        ["parlor.toml:1: escalations: expected tables, each under a line [[escalations]]"]
    );
    let many = "[[escalations]]\nafter = 1\nsteps = \"webhook:https://a.example\"\n".repeat(33);
    assert!(errors(&many)[0].contains("more than 32"));
    let steps = "\"webhook:https://a.example\",".repeat(9);
    let text = format!("[[escalations]]\nafter = 1\nsteps = [{steps}]\n");
    assert!(errors(&text)[0].contains("1 to 8 steps, not 9"));
}

#[test]
fn what_is_wrong_with_a_room_pattern_is_told() {
    assert_eq!(
        errors(
            "[[rooms]]\nhistory = 1\n[[rooms]]\npattern = \"a\"\nhistroy = 1\nport = 1\nmax-keys = 0\noverflow = \"drop\""
        ),
        [
            "parlor.toml:1: rooms: expected a pattern, as in `pattern = \"plant-*\"`",
            "parlor.toml:5: rooms: histroy: there is no such setting of a room; did you mean history?",
            "parlor.toml:6: rooms: port: this is for all rooms, and stands above the first [[rooms]]",
            "parlor.toml:7: rooms: max-keys: expected a whole number, at least 1, not \"0\"",
            "parlor.toml:8: rooms: overflow: expected close or latest",
        ]
    );
    assert_eq!(
        errors("rooms = 1"),
        ["parlor.toml:1: rooms: expected tables, each under a line [[rooms]]"]
    );
    let many = "[[rooms]]\npattern = \"a\"\n".repeat(101);
    assert_eq!(
        errors(&many),
        ["parlor.toml:1: rooms: more than 100 patterns, each of which is tried on each room"]
    );
}

#[test]
fn the_printed_file_is_the_defaults() {
    let text = template();
    let config = load(&[], &[], Some(&text)).unwrap();
    assert_eq!(values(&config.settings), values(&Settings::default()));
    assert!(config.settings.limits.rooms.is_empty());
    for setting in ALL {
        let line = format!("{} = ", setting.name());
        let is_there = |text: &str| text.trim_start_matches('#').starts_with(&line);
        assert!(text.lines().any(is_there), "{line}");
        assert!(
            setting.get(&Settings::default()).is_empty()
                || config.place_of(&setting.name()) != "default"
        );
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 120),
        "{text}"
    );
}

#[test]
fn what_is_commented_out_in_the_printed_file_would_do() {
    let examples = template();
    let examples = examples.lines().map(|line| {
        let is_comment = line.starts_with("# ") || line == "#";
        if is_comment {
            ""
        } else {
            line.trim_start_matches('#')
        }
    });
    let text: Vec<&str> = examples.collect();
    let file = file::read(&PathBuf::from("parlor.toml"), &text.join("\n"));
    assert!(file.errors.0.is_empty(), "{:?}", file.errors);
    assert_eq!((file.layer.len(), file.rooms.len()), (ALL.len(), 1));
}
