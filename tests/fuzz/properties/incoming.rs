//! A payload of a webhook: no panic; what it becomes fits, and is what everyone reads the same.

use parlor::codec::incoming::{Incoming, Source, read};
use parlor::codec::json::command::{Data, parse_data};
use parlor::limits::{MAX_ALARM_TEXT, MAX_INCOMING, MAX_INCOMING_TEXT, MAX_KEY};

/// The first byte says whose it is, and which event of GitHub's.
pub(crate) fn check(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else {
        return;
    };
    let events = [
        "ping",
        "push",
        "workflow_run",
        "issues",
        "pull_request",
        "release",
        "star",
    ];
    let source = Source::ALL[usize::from(choice) % Source::ALL.len()];
    let event = events.get(usize::from(choice) / Source::ALL.len()).copied();
    match read(source, event, body) {
        Ok(messages) => {
            assert!(messages.len() <= MAX_INCOMING);
            messages.iter().for_each(check_message);
        }
        Err(why) => assert!(!why.0.is_empty()),
    }
}

fn check_message(message: &Incoming) {
    match message {
        Incoming::Text(text) => {
            assert!(!text.is_empty() && text.len() <= MAX_INCOMING_TEXT);
        }
        Incoming::Alarm(alarm) => {
            assert!(alarm.key.starts_with("alarm.") && alarm.key.len() <= MAX_KEY);
            let json = alarm.to_json();
            let parsed = parse_data(&json).expect("it is strict JSON");
            assert_eq!(parsed, Data::Json(json.clone()), "it is compact");
            let data: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
            let text = data["text"].as_str().expect("it has a text");
            assert!(!text.is_empty() && text.len() <= MAX_ALARM_TEXT);
            for link in data["links"].as_array().into_iter().flatten() {
                let href = link["href"].as_str().expect("it leads somewhere");
                assert!(href.starts_with("http://") || href.starts_with("https://"));
            }
        }
    }
}
