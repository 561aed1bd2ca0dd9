use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::limits::{MAX_ALARM_TEXT, MAX_INCOMING_TEXT, MAX_KEY};

/// What a file of tests/payloads becomes.
fn file(path: &str) -> Vec<Incoming> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads");
    let body = fs::read(folder.join(path)).unwrap();
    let (source, name) = path.split_once('/').unwrap();
    let events = [
        "push",
        "workflow_run",
        "issues",
        "pull_request",
        "release",
        "ping",
        "star",
    ];
    let event = events.into_iter().find(|event| name.starts_with(event));
    read(Source::parse(source).unwrap(), event, &body).unwrap()
}

fn alarms(path: &str) -> Vec<(String, Value)> {
    let alarms = file(path).into_iter().map(|it| match it {
        Incoming::Alarm(alarm) => {
            let data = serde_json::from_str(&alarm.to_json()).unwrap();
            (alarm.key, data)
        }
        Incoming::Text(text) => (String::new(), text.into()),
    });
    alarms.collect()
}

fn text(path: &str) -> String {
    match &file(path)[..] {
        [Incoming::Text(text)] => text.clone(),
        other => panic!("{path}: {other:?}"),
    }
}

fn wrong(source: Source, body: &str) -> String {
    read(source, Some("push"), body.as_bytes()).unwrap_err().0
}

#[test]
fn each_alert_of_alertmanager_is_an_alarm() {
    let [down, disk, over] = &alarms("alertmanager/firing.json")[..] else {
        panic!("three");
    };
    assert_eq!(down.0, "alarm.1a30ba71cca2921f");
    assert_eq!(
        down.1,
        json!({
            "alarm": "raised",
            "text": "InstanceDown: db-1 has been down for 5 minutes",
            "severity": "critical",
            "raised_at": 1_772_967_765_828_u64,
            "links": [
                {"text": "Source", "href": "http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1"},
                {"text": "Runbook", "href": "https://runbooks.example/instance-down"},
            ],
        })
    );
    assert_eq!(
        disk.1["text"],
        "DiskFilling: /dev/sda1 on db-2 is full in 4 hours"
    );
    assert_eq!(disk.1["severity"], "warning");
    assert_eq!(
        (&over.1["alarm"], &over.1["raised_at"]),
        (&json!("cleared"), &Value::Null)
    );
    let resolved = alarms("alertmanager/resolved.json");
    assert_eq!(
        (&resolved[0].0, &resolved[0].1["alarm"]),
        (&down.0, &json!("cleared"))
    );
}

#[test]
fn an_alarm_has_no_control_characters() {
    let alert = json!({
        "status": "firing",
        "labels": {"alertname": "Pump\u{1b}[31m"},
        "annotations": {"summary": "hot\u{7}\u{202e}\n\tvery\r"},
    });
    let grafana = json!({"version": "1", "alerts": [alert]}).to_string();
    let kuma = json!({
        "msg": "x",
        "heartbeat": {"monitorID": 1, "status": 0, "msg": "\u{9b}off\0"},
        "monitor": {"name": "db\u{2066}"},
    });
    let kuma = kuma.to_string();
    for (source, body, text) in [
        (Source::Grafana, &grafana, "Pump[31m: hot\n\tvery"),
        (Source::UptimeKuma, &kuma, "db is down: off"),
    ] {
        let messages = read(source, None, body.as_bytes()).unwrap();
        let [Incoming::Alarm(alarm)] = &messages[..] else {
            panic!("{messages:?}");
        };
        assert_eq!(alarm.text, text);
    }
}

#[test]
fn an_alertmanager_that_tells_no_fingerprints_has_them_all_the_same() {
    let [alarm, rest] = &alarms("alertmanager/truncated.json")[..] else {
        panic!("two");
    };
    assert_eq!(alarm.0.len(), "alarm.1a30ba71cca2921f".len());
    assert_eq!(alarm.1["text"], "InstanceDown instance=db-1:9100 job=node");
    assert_eq!(alarm.1["raised_at"], 1_772_964_165_828_u64);
    assert_eq!(
        rest.1,
        "Alertmanager has left out 3 more alerts, because of its max_alerts"
    );
    // Labels with the fingerprints that an Alertmanager has told of them.
    let labels = |labels: &[(&str, &str)]| {
        let labels = labels.iter();
        fingerprint::of_labels(
            &labels
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    };
    let told = labels(&[
        ("severity", "high"),
        ("alertname", "HighValue"),
        ("instance", "api:8000"),
        ("job", "api"),
    ]);
    assert_eq!(told, "948c667b1fc76492");
    let told = labels(&[
        ("alertname", "Instance Is Down"),
        ("host_name", "infra0"),
        ("instance", "localhost:9100"),
        ("job", "infra0"),
        ("priority", "P0"),
    ]);
    assert_eq!(told, "4e4c4c3d872bf6d8");
    let one = |name: &str, value: &str| {
        fingerprint::of_labels(&[(name.to_owned(), value.to_owned())].into())
    };
    assert_ne!(one("ab", "c"), one("a", "bc"));
}

#[test]
fn grafana_has_more_links() {
    let firing = alarms("grafana/firing.json");
    assert_eq!(firing.len(), 1);
    let (key, data) = &firing[0];
    assert_eq!(key, "alarm.c6eadffa33fcdf37");
    assert_eq!(
        data["text"],
        "High memory usage: Memory above 90 % in zone us-1"
    );
    assert_eq!(
        (&data["alarm"], &data["severity"]),
        (&json!("raised"), &Value::Null)
    );
    let links = data["links"].as_array().unwrap().iter();
    let names: Vec<&str> = links.map(|link| link["text"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["Source", "Runbook", "Dashboard", "Panel", "Silence"]
    );
    assert_eq!(alarms("grafana/resolved.json")[0].1["alarm"], "cleared");
    let test = &alarms("grafana/test.json")[0].1;
    assert_eq!(test["text"], "TestAlert: Notification test");
    // "" and "?orgId=1" lead nowhere.
    assert_eq!(test["links"].as_array().unwrap().len(), 1);
}

#[test]
fn a_message_for_slack_is_a_text() {
    assert_eq!(
        text("slack/text.json"),
        "Deploy of *api* to production is done: build 8131 (https://ci.example/builds/8131) & <no> errors"
    );
    assert_eq!(
        text("slack/blocks.json"),
        "Incident 42 :fire:\n*Checkout is slow*\nStatus page (https://status.example/42)\n*Severity*\n2\n*Lead*\n@U024BE7LH\n\
         Opened by @oncall\nNext: the call (https://meet.example/x):phone:\n- roll back\n- @here\n\
         Runbook (https://runbooks.example/checkout)"
    );
    assert_eq!(
        text("slack/attachments.json"),
        "@channel\n[FIRING:1] InstanceDown (db-1) (http://alertmanager.example/#/alerts?receiver=slack)\n\
         db-1 has been down for 5 minutes\nJob: node\nCount: 3\nprometheus\nonly for old clients"
    );
}

#[test]
fn a_form_has_its_payload_in_a_field() {
    let body = b"payload=%7B%22text%22%3A%22a+b%20%26%20c%22%7D&more=1";
    let read = read(Source::Slack, None, body).unwrap();
    assert_eq!(read, [Incoming::Text("a b & c".to_owned())]);
}

#[test]
fn what_people_care_for_at_github_is_a_text() {
    for (path, expected) in [
        (
            "ping",
            "octo-org/kettle: the webhook of GitHub is set up. Keep it logically awesome.",
        ),
        (
            "push",
            "octo-org/kettle: octo-ana pushed 2 commits to main https://github.com/octo-org/kettle/compare/aaaaaaaaaaaa...611300127ae8\n\
             - 6113000 Warn before the kettle boils dry\n- 6113001 Name the limit",
        ),
        (
            "push_deleted",
            "octo-org/kettle: octo-ana deleted the tag v0.1",
        ),
        (
            "push_tag",
            "octo-org/kettle: octo-ana created the tag v1.4.0 https://github.com/octo-org/kettle/compare/aaaaaaaaaaaa...611300127ae8",
        ),
        (
            "workflow_run_failed",
            "octo-org/kettle: CI #163 failed on main https://github.com/octo-org/kettle/actions/runs/289782451",
        ),
        (
            "workflow_run_succeeded",
            "octo-org/kettle: CI #163 succeeded on main https://github.com/octo-org/kettle/actions/runs/289782451",
        ),
        (
            "issues_opened",
            "octo-org/kettle: octo-ana opened the issue #7 The kettle whistles twice https://github.com/octo-org/kettle/issues/7",
        ),
        (
            "pull_request_opened",
            "octo-org/kettle: octo-ana opened the pull request #12 Whistle once https://github.com/octo-org/kettle/pull/12",
        ),
        (
            "pull_request_merged",
            "octo-org/kettle: octo-ana merged the pull request #12 Whistle once https://github.com/octo-org/kettle/pull/12",
        ),
        (
            "release_published",
            "octo-org/kettle: octo-ana published the release v1.4.0 Whistle once https://github.com/octo-org/kettle/releases/tag/v1.4.0",
        ),
    ] {
        assert_eq!(text(&format!("github/{path}.json")), expected);
    }
    let many = text("github/push_many.json");
    assert!(
        many.contains("force-pushed 7 commits") && many.ends_with("- and 2 more"),
        "{many}"
    );
    for path in ["star", "issues_labeled", "workflow_run_requested"] {
        assert_eq!(file(&format!("github/{path}.json")), []);
    }
}

#[test]
fn a_monitor_of_uptime_kuma_is_one_alarm() {
    let down = alarms("uptime-kuma/down.json");
    assert_eq!(
        down,
        [(
            "alarm.uptime-kuma.3".to_owned(),
            json!({
                "alarm": "raised",
                "text": "shop is down: connect ECONNREFUSED 192.0.2.7:443",
                "severity": "critical",
                "raised_at": 1_772_967_765_828_u64,
                "links": [{"text": "Monitored", "href": "https://shop.example/health"}],
            })
        )]
    );
    let up = alarms("uptime-kuma/up.json");
    assert_eq!(
        (&up[0].0, &up[0].1["alarm"]),
        (&down[0].0, &json!("cleared"))
    );
    let is_reminder = |path| match &file(path)[..] {
        [
            Incoming::Alarm(Alarm {
                change: Change::Raised { is_reminder, .. },
                ..
            }),
        ] => *is_reminder,
        other => panic!("{other:?}"),
    };
    assert!(is_reminder("uptime-kuma/still_down.json") && !is_reminder("uptime-kuma/down.json"));
    assert_eq!(text("uptime-kuma/test.json"), "parlor Testing");
    assert!(text("uptime-kuma/certificate.json").contains("will expire in 14 days"));
}

#[test]
fn what_is_wrong_is_said() {
    let alert = |fields: &str| format!(r#"{{"version":"4","alerts":[{{{fields}}}]}}"#);
    let long = format!(
        r#""status":"firing","fingerprint":"{}""#,
        "f".repeat(MAX_KEY)
    );
    for (source, body, part) in [
        (
            Source::Alertmanager,
            "",
            "this is no payload of Alertmanager: EOF",
        ),
        (Source::Alertmanager, "{}", "missing field `version`"),
        (
            Source::Alertmanager,
            r#"{"version":"4"}"#,
            "missing field `alerts`",
        ),
        (
            Source::Alertmanager,
            r#"{"version":"1","alerts":[]}"#,
            "as=grafana",
        ),
        (
            Source::Grafana,
            r#"{"version":"4","alerts":[]}"#,
            "as=alertmanager",
        ),
        (
            Source::Alertmanager,
            r#"{"version":"5","alerts":[]}"#,
            "not known here",
        ),
        (Source::Alertmanager, &alert(""), "missing field `status`"),
        (
            Source::Alertmanager,
            &alert(r#""status":"odd""#),
            r#"alert 1: its status is "odd""#,
        ),
        (
            Source::Alertmanager,
            &alert(&long),
            "alert 1: its fingerprint is longer",
        ),
        (
            Source::Alertmanager,
            r#"{"version":"4","alerts":{}}"#,
            "invalid type: map",
        ),
        (Source::Slack, "{}", "the message says nothing"),
        (
            Source::Slack,
            r#"{"blocks":[{"type":"divider"}]}"#,
            "the message says nothing",
        ),
        (Source::Slack, r#"{"text":5}"#, "invalid type: integer `5`"),
        (Source::Slack, r#"{"text":"\ud800"}"#, "hex escape"),
        (
            Source::Slack,
            "payload=%ff",
            "the field payload is not UTF-8",
        ),
        (Source::Github, "{}", "this push has no ref"),
        (Source::Github, "[]", "no JSON object"),
        (Source::UptimeKuma, "{}", "missing field `msg`"),
        (Source::UptimeKuma, r#"{"msg":" "}"#, "msg is empty"),
        (
            Source::UptimeKuma,
            r#"{"msg":"x","heartbeat":{"status":0}}"#,
            "no monitorID",
        ),
    ] {
        let why = wrong(source, body);
        assert!(why.contains(part), "{body}: {why}");
    }
    let none = read(Source::Github, None, b"{}").unwrap_err();
    assert!(none.0.contains("X-GitHub-Event is missing"), "{none}");
    let bytes = read(Source::Slack, None, b"\xff").unwrap_err();
    assert_eq!(bytes.0, "the payload is not UTF-8");
    let known = "as is one of alertmanager, grafana, slack, github, uptime-kuma";
    for (name, hint) in [
        ("teams-of-old", ""),
        ("slak", "; did you mean slack?"),
        ("Uptime_Kuma", "; did you mean uptime-kuma?"),
    ] {
        let error = Source::parse(name).unwrap_err();
        assert_eq!(error.0, format!("{known}{hint}"));
    }
}

#[test]
fn so_many_alerts_are_taken_and_no_more() {
    let payload = |count: usize| {
        let alerts = (0..count).map(|n| json!({"status": "firing", "fingerprint": n.to_string()}));
        let alerts: Vec<Value> = alerts.collect();
        json!({"version": "4", "alerts": alerts}).to_string()
    };
    let read_all = |count| read(Source::Alertmanager, None, payload(count).as_bytes());
    assert_eq!(read_all(MAX_INCOMING).unwrap().len(), MAX_INCOMING);
    let refused = read_all(MAX_INCOMING + 1).unwrap_err().0;
    assert!(
        refused.contains("there are 101 alerts") && refused.contains("max_alerts"),
        "{refused}"
    );
}

proptest! {
    #[test]
    fn whatever_labels_say_it_is_an_alarm_that_fits(
        labels in prop::collection::btree_map(".{0,20}", ".{0,700}", 0..5),
        annotations in prop::collection::btree_map("summary|description|runbook_url|other", ".{0,700}", 0..4),
        starts_at in ".{0,30}",
        is_firing: bool,
    ) {
        let status = if is_firing { "firing" } else { "resolved" };
        let alert = json!({"status": status, "labels": labels, "annotations": annotations, "startsAt": starts_at});
        let body = json!({"version": "1", "alerts": [alert]}).to_string();
        let messages = read(Source::Grafana, None, body.as_bytes()).unwrap();
        let [Incoming::Alarm(alarm)] = &messages[..] else { panic!("{messages:?}") };
        prop_assert!(alarm.key.len() <= MAX_KEY && !alarm.text.is_empty() && alarm.text.len() <= MAX_ALARM_TEXT);
        // The same labels are the same alarm.
        prop_assert_eq!(&alarm.key, &format!("alarm.{}", fingerprint::of_labels(&labels)));
        let data: Value = serde_json::from_str(&alarm.to_json()).unwrap();
        prop_assert_eq!(data["alarm"].as_str(), Some(if is_firing { "raised" } else { "cleared" }));
    }

    #[test]
    fn text_without_signs_comes_through_slack_as_it_is(said in "[^<>&]{0,200}") {
        let body = json!({"text": said}).to_string();
        match read(Source::Slack, None, body.as_bytes()) {
            Ok(messages) => prop_assert_eq!(messages, [Incoming::Text(said.trim().to_owned())]),
            Err(_) => prop_assert!(said.trim().is_empty()),
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character(said in "[aä茶]{8000,9000}") {
        let body = json!({"text": said}).to_string();
        let messages = read(Source::Slack, None, body.as_bytes()).unwrap();
        let [Incoming::Text(text)] = &messages[..] else { panic!("{messages:?}") };
        prop_assert!(text.len() <= MAX_INCOMING_TEXT);
        prop_assert!(*text == said || said.starts_with(text.strip_suffix('…').unwrap()));
    }
}

#[test]
fn what_is_no_object_is_no_payload() {
    let all = [
        Source::Alertmanager,
        Source::Grafana,
        Source::Slack,
        Source::Github,
        Source::UptimeKuma,
    ];
    for source in all {
        for body in ["[]", r#"["hello"]"#, " [1]"] {
            let error = read(source, Some("push"), body.as_bytes()).unwrap_err();
            assert!(
                error.to_string().contains("no JSON object"),
                "{body}: {error}"
            );
        }
    }
}
