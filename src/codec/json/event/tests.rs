use serde_json::value::RawValue;

use super::*;

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap()
}

fn opened(event: &Event<'_>) -> String {
    let mut out = Vec::new();
    open(event, &mut out);
    String::from_utf8(out).unwrap()
}

fn text(event: &Event<'_>) -> String {
    let mut out = Vec::new();
    write(event, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_message() {
    let message = MessageEvent {
        room: "tea",
        offset: Some(3),
        at: 5,
        from: Person {
            id: &"p1",
            name: &"Al\"ice",
        },
        data: Some(Data::Json("[1.0]")),
        binary: None,
        key: None,
        expect: None,
        ephemeral: false,
    };
    let mut out = Vec::new();
    message.write_event(&mut out);
    assert_eq!(
        str::from_utf8(&out).unwrap(),
        r#"{"type":"message","room":"tea","offset":3,"at":5,"from":{"id":"p1","name":"Al\"ice"},"data":[1.0]}"#
    );
}

fn person(name: &'static &'static str) -> Person<'static> {
    Person { id: &5, name }
}

#[test]
fn a_message_in_a_list() {
    let said = MessageEvent {
        room: "tea",
        offset: None,
        at: 5,
        from: person(&"Bob"),
        data: None,
        binary: Some(Base64(b"\0\xff")),
        key: Some("k"),
        expect: Some(60),
        ephemeral: true,
    };
    let mut out = Vec::new();
    said.write(&mut out);
    assert_eq!(
        str::from_utf8(&out).unwrap(),
        r#"{"room":"tea","at":5,"from":{"id":"5","name":"Bob"},"binary":"AP8=","key":"k","expect":60,"ephemeral":true}"#
    );
}

/// Lists that are made once for many readers, and JSON that is written as it is, follow what is opened.
#[test]
fn events_that_are_finished_by_hand() {
    let (room, epoch, id) = ("tea", Epoch(10), Some(raw("\"i\"")));
    let joined = Event::Joined {
        id,
        room,
        epoch,
        offset: 2,
        recovered: true,
    };
    assert_eq!(
        opened(&joined),
        r#"{"type":"joined","id":"i","room":"tea","epoch":"000000000000000a","offset":2,"recovered":true"#
    );
    let history = Event::History { id, room, epoch };
    assert_eq!(
        opened(&history),
        r#"{"type":"history","id":"i","room":"tea","epoch":"000000000000000a""#
    );
    let found = Event::Found { id, room, epoch };
    assert_eq!(
        opened(&found),
        r#"{"type":"found","id":"i","room":"tea","epoch":"000000000000000a""#
    );
    let direct = Event::Direct {
        from: person(&"Bob"),
        to: person(&"Al"),
        at: 5,
    };
    let mut out = Vec::new();
    Data::Text("\"\n").write_field(&mut out);
    assert_eq!(
        opened(&direct) + str::from_utf8(&out).unwrap(),
        r#"{"type":"direct","from":{"id":"5","name":"Bob"},"to":{"id":"5","name":"Al"},"at":5,"data":"\"\n""#
    );
}

#[test]
fn each_event_is_what_the_protocol_says() {
    let (room, epoch, id) = ("tea", Epoch(10), Some(raw("\"i\"")));
    for (event, expected) in [
        (
            Event::Opened {
                room,
                epoch,
                offset: 2,
                recovered: false,
                count: 1,
            },
            r#"{"type":"joined","room":"tea","epoch":"000000000000000a","offset":2,"recovered":false,"count":1}"#,
        ),
        (
            Event::Presence {
                room,
                joined: Some(vec![person(&"Bob")]),
                left: None,
                count: 101,
            },
            r#"{"type":"presence","room":"tea","joined":[{"id":"5","name":"Bob"}],"count":101}"#,
        ),
        (
            Event::Gap {
                room,
                from: 1,
                to: 2,
            },
            r#"{"type":"gap","room":"tea","from":1,"to":2}"#,
        ),
        (
            Event::Members {
                id: None,
                room,
                members: Vec::new(),
                count: 0,
            },
            r#"{"type":"members","room":"tea","members":[],"count":0}"#,
        ),
        (
            Event::Rooms {
                id,
                rooms: vec![Room {
                    name: room,
                    count: 3,
                }],
                more: false,
            },
            r#"{"type":"rooms","id":"i","rooms":[{"name":"tea","count":3}],"more":false}"#,
        ),
        (
            Event::Error {
                id,
                code: ErrorCode::RateLimited,
                message: "slower",
                retry_ms: Some(7),
            },
            r#"{"type":"error","id":"i","code":"rate_limited","message":"slower","retry_ms":7}"#,
        ),
        (Event::Pong { id }, r#"{"type":"pong","id":"i"}"#),
        (
            Event::Bye {
                code: 1001,
                reason: "over",
                retry_ms: 7,
            },
            r#"{"type":"bye","code":1001,"reason":"over","retry_ms":7}"#,
        ),
    ] {
        assert_eq!(text(&event), expected);
    }
}

#[test]
fn a_welcome() {
    let limits = Limits {
        file: None,
        message: 1,
        rate: None,
        burst: None,
        rooms: 2,
        name: 3,
        room: 4,
        key: 5,
        dedup: 6,
        history: 7,
    };
    let welcome = Event::Welcome {
        id: None,
        you: person(&"Bob"),
        resume: "secret",
        node: "n",
        durability: Durability::Memory,
        push: false,
        server: "parlor/1",
        ping_ms: None,
        limits,
        rights: None,
    };
    assert_eq!(
        text(&welcome),
        r#"{"type":"welcome","you":{"id":"5","name":"Bob"},"resume":"secret","node":"n","durability":"memory","server":"parlor/1","ping_ms":null,"limits":{"message":1,"rate":null,"burst":null,"rooms":2,"name":3,"room":4,"key":5,"dedup":6,"history":7}}"#
    );
}

#[test]
fn rights_and_how_one_is_put_out() {
    let rights = Rights {
        subscribe: &["tea-*".to_owned()],
        publish: &[],
        admin: true,
        expires: 9,
    };
    let mut out = Vec::new();
    write(&rights, &mut out);
    assert_eq!(
        str::from_utf8(&out).unwrap(),
        r#"{"subscribe":["tea-*"],"publish":[],"admin":true,"expires":9}"#
    );
    let left = Event::Left {
        room: "tea",
        reason: "over",
    };
    assert_eq!(
        text(&left),
        r#"{"type":"left","room":"tea","reason":"over"}"#
    );
}

#[test]
fn what_is_not_there_is_not_said() {
    assert_eq!(text(&Event::Ping), r#"{"type":"ping"}"#);
    assert_eq!(
        text(&Event::Ok {
            id: Some(raw("7")),
            offset: None
        }),
        r#"{"type":"ok","id":7}"#
    );
    let mut out = Vec::new();
    write(&Base64(&[0, 255]), &mut out);
    assert_eq!(out, b"\"AP8=\"");
}

#[test]
fn an_epoch_comes_back() {
    for number in [0, 1, u64::MAX] {
        assert_eq!(
            Epoch::parse(&Epoch(number).to_string()),
            Some(Epoch(number))
        );
    }
    for bad in ["", "1", "+000000000000001", "00000000000000001"] {
        assert_eq!(Epoch::parse(bad), None);
    }
}
