use super::*;

fn command(text: &str) -> Command<'_> {
    parse(text).1.unwrap()
}

fn error(text: &str) -> (&'static str, String) {
    let error = parse(text).1.unwrap_err();
    (error.code.as_str(), error.message)
}

#[test]
fn a_message_for_a_room() {
    let text = r#"{"type":"publish","id":7,"room":"tea","data":{ "a": 1.0 },"key":"k","retain":true,"extra":0}"#;
    let (id, publish) = parse(text);
    assert_eq!(id.map(RawValue::get), Some("7"));
    let Ok(Command::Publish(publish)) = publish else {
        panic!("{publish:?}");
    };
    assert_eq!(publish.data, Data::Json("{\"a\":1.0}".to_owned()));
    assert!(publish.retain && !publish.ephemeral && publish.key.as_deref() == Some("k"));
}

#[test]
fn what_data_may_be() {
    let data = |json: &str| {
        let text = format!(r#"{{"type":"direct","to":"a","data":{json}}}"#);
        match parse(&text).1 {
            Ok(Command::Direct { data, .. }) => format!("{data:?}"),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(data("null"), "Json(\"null\")");
    assert_eq!(data(" \"a\\nb\""), "Text(\"a\\nb\")");
    assert_eq!(
        data("12345678901234567890.10"),
        "Json(\"12345678901234567890.10\")"
    );
    for unreadable in [
        "\"\\ud800\"",
        "[{\"a\":\"\\ud800\"}]",
        "{\"\\udc00\":1}",
        "[1e999]",
    ] {
        assert!(data(unreadable).contains("BadJson"), "{unreadable}");
    }
    let deep = "[".repeat(65) + &"]".repeat(65);
    for ambiguous in [
        "{\"a\":1,\"a\":2}",
        "[{\"a\":1,\"\\u0061\":2}]",
        deep.as_str(),
    ] {
        assert!(data(ambiguous).contains("BadCommand"), "{ambiguous}");
    }
    let binary = r#"{"type":"publish","room":"a","binary":"AP8="}"#;
    assert!(
        matches!(command(binary), Command::Publish(Publish { data: Data::Binary(bytes), .. }) if bytes == [0, 255])
    );
}

#[test]
fn each_command() {
    let room = || "tea".into();
    for (text, expected) in [
        (
            r#"{"type":"login","name":"Al\u0069ce","resume":null}"#,
            Command::Login {
                name: Some("Alice".into()),
                resume: None,
                token: None,
            },
        ),
        (
            r#"{"type":"login","token":"e.y.J"}"#,
            Command::Login {
                name: None,
                resume: None,
                token: Some("e.y.J".into()),
            },
        ),
        (
            r#"{"type":"close","name":"Bob"}"#,
            Command::Close { name: "Bob".into() },
        ),
        (
            r#"{"type":"empty","room":"tea"}"#,
            Command::Empty { room: room() },
        ),
        (
            r#"{"type":"join","room":"tea","since":{"epoch":"e","offset":3},"last":10}"#,
            Command::Join {
                room: room(),
                since: Some(Since {
                    epoch: "e".into(),
                    offset: 3,
                }),
                last: Some(10),
                series: None,
            },
        ),
        (
            r#"{"type":"history","room":"tea","keys":["boiler.*"],"seconds":60}"#,
            Command::History {
                room: room(),
                before: None,
                limit: None,
                series: Some(Series {
                    keys: vec!["boiler.*".to_owned()],
                    seconds: Some(60),
                    points: None,
                    count: None,
                }),
            },
        ),
        (
            r#"{"type":"join","room":"tea","series":{"seconds":60,"points":300}}"#,
            Command::Join {
                room: room(),
                since: None,
                last: None,
                series: Some(Series {
                    keys: Vec::new(),
                    seconds: Some(60),
                    points: Some(300),
                    count: None,
                }),
            },
        ),
        (
            r#"{"type":"history","room":"tea","key":"a","count":5}"#,
            Command::History {
                room: room(),
                before: None,
                limit: None,
                series: Some(Series {
                    keys: vec!["a".to_owned()],
                    seconds: None,
                    points: None,
                    count: Some(5),
                }),
            },
        ),
        (
            r#"{"type":"leave","room":"tea"}"#,
            Command::Leave { room: room() },
        ),
        (
            r#"{"type":"direct","to":"Bob","data":[1]}"#,
            Command::Direct {
                to: "Bob".into(),
                data: Data::Json("[1]".to_owned()),
            },
        ),
        (
            r#"{"type":"history","room":"tea","before":18446744073709551615}"#,
            Command::History {
                room: room(),
                before: Some(u64::MAX),
                limit: None,
                series: None,
            },
        ),
        (
            r#"{"type":"search","room":"tea","q":"green","limit":2}"#,
            Command::Search {
                room: room(),
                q: "green".into(),
                before: None,
                limit: Some(2),
            },
        ),
        (
            r#"{"type":"members","room":"tea"}"#,
            Command::Members { room: room() },
        ),
        (r#"{"type":"rooms"}"#, Command::Rooms),
        (r#"{"ignored":{"type":5},"type":"ping"}"#, Command::Ping),
        (r#"{"type":"p\u006fng"}"#, Command::Pong),
    ] {
        assert_eq!(command(text), expected, "{text}");
    }
}

#[test]
fn what_is_missing_or_wrong() {
    for (text, part) in [
        (r#"{"type":"leave"}"#, "leave needs room"),
        (r#"{"type":"publish","data":1}"#, "publish needs room"),
        (
            r#"{"type":"publish","room":"a","data":1,"binary":""}"#,
            "data or binary",
        ),
        (
            r#"{"type":"publish","room":"a","data":1,"retain":1}"#,
            "expected true or false, not 1",
        ),
        (r#"{"type":"direct","data":1}"#, "direct needs to"),
        (
            r#"{"type":"direct","to":"a","binary":""}"#,
            "direct needs data",
        ),
        (r#"{"type":"history"}"#, "history needs room"),
        (
            r#"{"type":"history","room":"a","before":18446744073709551616}"#,
            "expected a whole number, not 1.8",
        ),
        (r#"{"type":"members"}"#, "members needs room"),
        (
            r#"{"type":"join","room":"a","since":{"epoch":"e"}}"#,
            "missing field `offset`",
        ),
        (
            r#"{"type":"join","room":"a","since":{"epoch":1,"offset":1}}"#,
            "expected a string",
        ),
        (r#"{"type":"ping","type":"pong"}"#, "duplicate field `type`"),
    ] {
        let (code, message) = error(text);
        assert!(
            code == "bad_command" && message.contains(part),
            "{text}: {code} {message}"
        );
    }
}

#[test]
fn what_an_id_may_be() {
    let long = format!("\"{}\"", "x".repeat(MAX_ID - 2));
    for good in ["7", "-1.5e3", "\"a\\n\"", long.as_str()] {
        let text = format!(r#"{{"type":"dance","id":{good}}}"#);
        assert_eq!(parse(&text).0.map(RawValue::get), Some(good));
        assert_eq!(id_of(&text).map(RawValue::get), Some(good));
    }
    let too_long = format!("\"{}\"", "x".repeat(MAX_ID - 1));
    for bad in ["true", "{}", "\"\\ud800\"", "1e999", too_long.as_str()] {
        let text = format!(r#"{{"type":"ping","id":{bad}}}"#);
        assert!(error(&text).1.contains("id must be"), "{bad}");
        assert!(parse(&text).0.is_none() && id_of(&text).is_none());
    }
    for none in [r#"{"type":"ping","id":null}"#, "no json", ""] {
        assert!(id_of(none).is_none());
    }
    assert_eq!(command(r#"{"type":"ping","id":null}"#), Command::Ping);
}

#[test]
fn errors_say_what_to_do() {
    for (text, code, part) in [
        ("hello", "bad_json", "one JSON object"),
        ("", "bad_json", "one JSON object"),
        ("[]", "bad_command", "expected a JSON object with a type"),
        ("null", "bad_command", "expected a JSON object with a type"),
        ("{}", "bad_command", "missing field `type`"),
        (r#"{"type":"dance"}"#, "bad_command", "not known"),
        (r#"{"type":"join"}"#, "bad_command", "needs room"),
        (
            r#"{"type":"join","room":5}"#,
            "bad_command",
            "expected a string",
        ),
        (
            r#"{"type":"join","room":"a","since":7}"#,
            "bad_command",
            "expected an object with epoch and offset",
        ),
        (
            r#"{"type":"publish","room":"a"}"#,
            "bad_command",
            "data or binary",
        ),
        (
            r#"{"type":"publish","room":"a","binary":"?"}"#,
            "bad_command",
            "base64",
        ),
        (
            r#"{"type":"ping","id":[]}"#,
            "bad_command",
            "string or a number",
        ),
        (
            r#"{"type":"join","room":"a","last":-1}"#,
            "bad_command",
            "-1",
        ),
    ] {
        let (found, message) = error(text);
        assert!(
            found == code && message.contains(part),
            "{text}: {found} {message}"
        );
    }
    assert_eq!(
        parse(r#"{"type":5,"id":"x"}"#).0.map(RawValue::get),
        Some("\"x\"")
    );
}
