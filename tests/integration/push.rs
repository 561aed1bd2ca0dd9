//! Who may subscribe to push, at each door, and what is kept of that. What arrives is looked at in `tests/push`.

use serde_json::{Value, json};

use crate::common::{
    Data, Events, JsonClient, SECRET, Server, TestFile, eventually, get, run, token,
};

const CONTACT: [&str; 2] = ["--push-contact", "mailto:ops@example.org"];

const ID: &str = "0123456789abcdef0123";

fn subscription(name: &str) -> Value {
    json!({
        "endpoint": format!("https://push.example/{name}"),
        // The receiver of RFC 8291, appendix A.
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
        "rooms": ["tea-*"],
        "kinds": ["alarm"],
    })
}

fn with(mut subscription: Value, field: &str, value: Value) -> Value {
    subscription[field] = value;
    subscription
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

fn put(id: &str, headers: &str, subscription: &Value) -> String {
    let path = format!("/push/subscriptions/{id}");
    request("PUT", &path, headers, &subscription.to_string())
}

fn command(subscription: Value) -> Value {
    with(subscription, "type", "push".into())
}

fn count(server: &Server) -> String {
    let response = server.http().ask(get("/metrics"));
    let text = String::from_utf8(response.body).unwrap();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("parlor_push_subscriptions "));
    line.unwrap_or("none").to_owned()
}

#[test]
fn where_push_is_off_it_says_how_to_turn_it_on() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for ask in [get("/push/key"), put(ID, "", &subscription("a"))] {
        let response = http.ask(ask);
        response.expect_problem(404);
        let text = String::from_utf8_lossy(&response.body).into_owned();
        assert!(text.contains("--push-contact"), "{text}");
        http = server.http();
    }
    let mut client = JsonClient::new(&server, "/ws");
    assert_eq!(client.welcome.get("push"), None);
    let refused = client.ask(command(subscription("a")));
    assert_eq!(refused["code"], "bad_command");
    assert_eq!(count(&server), "none");
}

#[test]
fn subscriptions_are_put_renewed_kept_and_ended() {
    let data = Data::new();
    let server = data.serve(&CONTACT);
    let key = server.http().ask(get("/push/key"));
    let mut client = JsonClient::new(&server, "/ws");
    assert_eq!(client.welcome["push"], true);
    let personal = with(subscription("a"), "kinds", json!(["direct", "mention"]));
    assert_eq!(client.ask(command(personal.clone()))["type"], "ok");
    assert_eq!(client.ask(command(personal))["type"], "ok");
    for name in ["b", "c"] {
        let answer = server.http().ask(put(ID, "", &subscription(name)));
        assert_eq!(answer.status, 204, "{:?}", answer.body);
    }
    assert_eq!(count(&server), "2");
    let mut server = server;
    server.signal("TERM");
    server.wait();
    let server = data.serve(&CONTACT);
    assert_eq!(count(&server), "2");
    assert_eq!(server.http().ask(get("/push/key")).body, key.body);
    let delete = request("DELETE", &format!("/push/subscriptions/{ID}"), "", "");
    assert_eq!(server.http().ask(&delete).status, 204);
    assert_eq!(server.http().ask(&delete).status, 404);
    let mut client = JsonClient::new(&server, "/ws");
    let end = json!({"type": "push", "endpoint": "https://push.example/a", "kinds": []});
    assert_eq!(client.ask(end)["type"], "ok");
    assert_eq!(count(&server), "0");
}

#[test]
fn a_key_that_is_lost_is_said_while_there_are_subscriptions_of_it() {
    let data = Data::new();
    let is_warned = |server: &Server| server.log().contains("of which there are 1, until");
    let mut server = data.serve(&CONTACT);
    assert!(!is_warned(&server));
    let key = server.http().ask(get("/push/key"));
    let answer = server.http().ask(put(ID, "", &subscription("a")));
    assert_eq!(answer.status, 204);
    server.signal("TERM");
    server.wait();
    std::fs::remove_file(data.folder().join("push.pem")).unwrap();
    let mut server = data.serve(&CONTACT);
    server.wait_for_log(|line| line.contains("of which there are 1, until"));
    assert_ne!(server.http().ask(get("/push/key")).body, key.body);
    server.signal("TERM");
    server.wait();
    assert!(!is_warned(&data.serve(&CONTACT)), "it is there again");
}

#[test]
fn what_is_wrong_with_a_subscription_is_said() {
    let data = Data::new();
    let server = data.serve(&CONTACT);
    let refused = |ask: String, status: u16, word: &str| {
        let response = server.http().ask(ask);
        response.expect_problem(status);
        let text = String::from_utf8_lossy(&response.body).into_owned();
        assert!(text.contains(word), "{text}");
    };
    let right = subscription("a");
    refused(put("short", "", &right), 400, "openssl rand");
    refused(
        put(ID, "", &with(right.clone(), "keys", json!(null))),
        400,
        "UnifiedPush",
    );
    refused(
        put(ID, "", &with(right.clone(), "kinds", json!(["direct"]))),
        403,
        "Parlor-Resume",
    );
    refused(
        put(ID, "", &with(right.clone(), "rooms", json!(["a b"]))),
        400,
        "letters",
    );
    refused(
        request("PUT", &format!("/push/subscriptions/{ID}"), "", "{"),
        400,
        "JSON",
    );
    refused(
        request("POST", &format!("/push/subscriptions/{ID}"), "", ""),
        405,
        "PUT",
    );
    let mut bytes = request("PUT", &format!("/push/subscriptions/{ID}"), "", "xx").into_bytes();
    bytes.splice(bytes.len() - 2.., [0xc3, 0x28]);
    let response = server.http().ask(bytes);
    response.expect_problem(400);
    assert!(String::from_utf8_lossy(&response.body).contains("UTF-8"));
    refused(request("PUT", "/push/key", "", ""), 405, "GET");
    refused(get("/push/other"), 404, "/push/key");
    refused(put(ID, "Parlor-Resume: 1.2\r\n", &right), 403, "welcome");
    let resume = JsonClient::new(&server, "/ws").welcome["resume"].clone();
    let headers = format!("Parlor-Resume: {}\r\n", resume.as_str().unwrap());
    let personal = with(right, "kinds", json!(["direct"]));
    assert_eq!(server.http().ask(put(ID, &headers, &personal)).status, 204);
}

#[test]
fn only_rooms_that_a_token_allows_are_told_of() {
    let (data, file) = (Data::new(), TestFile::new(SECRET));
    let secret = ["--secret-file", file.path()];
    let server = data.serve(&[&CONTACT[..], &secret].concat());
    let bearer = |name: &str| {
        let token = token(json!({"sub": name, "subscribe": ["tea-*"], "publish": []}));
        format!("Authorization: Bearer {token}\r\n")
    };
    let status = |ask: String| server.http().ask(ask).status;
    let all = with(
        subscription("a"),
        "kinds",
        json!(["alarm", "direct", "mention", "message"]),
    );
    assert_eq!(status(put(ID, "", &all)), 401);
    assert_eq!(status(put(ID, &bearer("ana"), &all)), 204);
    for rooms in [json!(["*"]), json!(["tea*"]), json!(["tea-1", "milk"])] {
        let beyond = with(all.clone(), "rooms", rooms);
        assert_eq!(status(put(ID, &bearer("ana"), &beyond)), 403, "{beyond}");
    }
    assert_eq!(status(put(ID, &bearer("ben"), &all)), 409, "it is ana's");
    let delete = |name: &str| {
        request(
            "DELETE",
            &format!("/push/subscriptions/{ID}"),
            &bearer(name),
            "",
        )
    };
    assert_eq!(status(delete("ben")), 404);
    assert_eq!(status(delete("ana")), 204);
    // A browser may ask from another origin, and is told so without a token.
    let preflight = request("OPTIONS", "/push/key", "Origin: http://localhost\r\n", "");
    assert_eq!(status(preflight), 204);
    assert_eq!(status(get("/push/key")), 200);
}

#[test]
fn a_direct_message_to_somebody_who_has_gone_is_taken_if_it_can_be_pushed() {
    let data = Data::new();
    let server = data.serve(&CONTACT);
    let mut ana = JsonClient::new(&server, "/ws");
    ana.ask(json!({"type": "login", "name": "ana"}));
    let direct = with(subscription("a"), "kinds", json!(["direct"]));
    assert_eq!(ana.ask(command(direct))["type"], "ok");
    drop(ana);
    let mut ben = JsonClient::new(&server, "/ws");
    let say = |to: &str| json!({"type": "direct", "to": to, "data": "hello"});
    eventually("ana has gone", || ben.ask(say("ana"))["type"] == "ok");
    assert_eq!(ben.ask(say("cy"))["code"], "no_such_user");
}

/// A screen on the wall shows a room, and nobody reads there what is said to them.
#[test]
fn who_only_has_a_stream_open_is_told_by_push() {
    let (data, file) = (Data::new(), TestFile::new(SECRET));
    let server = data.serve(&[&CONTACT[..], &["--secret-file", file.path()]].concat());
    let token_of = |name: &str| token(json!({"sub": name, "subscribe": ["*"], "publish": ["*"]}));
    let direct = with(subscription("a"), "kinds", json!(["direct"]));
    let bearer = format!("Authorization: Bearer {}\r\n", token_of("ana"));
    assert_eq!(server.http().ask(put(ID, &bearer, &direct)).status, 204);
    let target = format!("/rooms/wall/events?token={}", token_of("ana"));
    let mut wall = Events::open(&server, &target, "");
    assert_eq!(wall.next().kind, "joined");
    let mut ben = JsonClient::new(&server, &format!("/ws?token={}", token_of("ben")));
    let say = json!({"type": "direct", "to": "ana", "data": "hello"});
    assert_eq!(ben.ask(say)["type"], "ok");
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let data = Data::new();
    let at = ["--data", data.path()];
    let redis = ["--redis", "redis://localhost:6379"];
    let with_redis = [&CONTACT[..], &redis].concat();
    for (flags, word) in [
        (&CONTACT[..], "--push-key or --data"),
        (&["--push-key", "x.pem"], "--push-contact"),
        (&["--push-contact", "ops@example.org"], "mailto:"),
        (&with_redis, "--redis needs --push-key"),
        (
            &[&with_redis[..], &["--push-key", "/none.pem"]].concat(),
            "/none.pem",
        ),
        (
            &[&CONTACT[..], &at, &["--push-key", "/none.pem"]].concat(),
            "/none.pem",
        ),
    ] {
        let said = run(flags).stderr;
        assert!(said.contains(word), "{flags:?}: {said}");
    }
}

#[test]
fn steps_of_escalations_are_counted_by_whether_there_was_somebody_to_tell() {
    let data = Data::new();
    let step = |rooms: &str, name: &str| {
        format!(
            "[[escalations]]\nrooms = \"{rooms}\"\nafter = 1\nrepeat = 600\nsteps = \"push:{name}\"\n"
        )
    };
    let steps = step("known", "ana") + &step("other", "nobody");
    let config = TestFile::new(format!("push-contact = \"{}\"\n{steps}", CONTACT[1]));
    let server = data.serve(&["--config", config.path()]);
    let mut client = JsonClient::new(&server, "/ws");
    client.ask(json!({"type": "login", "name": "ana"}));
    assert_eq!(client.ask(command(subscription("ana")))["type"], "ok");
    for room in ["known", "other"] {
        let path = format!("/rooms/{room}?key=alarm.pump&retain");
        let body = r#"{"alarm":"raised"}"#;
        let posted = request("POST", &path, "Content-Type: application/json\r\n", body);
        assert_eq!(server.http().ask(posted).status, 200);
    }
    for result in ["told", "failed"] {
        let metric = format!("parlor_escalations_total{{result=\"{result}\"}}");
        eventually(result, || server.metric(&metric) == 1);
    }
}
