//! What a stranger can fill, and who loses it then; and how the operator of an open parlor undoes it.

use serde_json::{Value, json};

use crate::common::{Http, JsonClient, Response, Server, get, post};

fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).expect("JSON")
}

/// Posts a value that is to be retained, as a proxy does for somebody at this address.
fn retain(http: &mut Http, address: &str, room: &str, value: &str) -> Response {
    let from = format!("X-Forwarded-For: {address}\r\n");
    http.ask(post(&format!("/rooms/{room}?key=k&retain"), &from, value))
}

fn delete(http: &mut Http, path: &str, fields: &str) -> u16 {
    let request = format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    http.ask(request).status
}

fn start(flags: &[&str]) -> Server {
    Server::start(&[&["--trusted-proxy", "127.0.0.1"], flags].concat())
}

#[test]
fn rooms_that_a_stranger_begins_cost_nobody_else_theirs() {
    let server = start(&["--max-rooms", "40", "--rate", "0"]);
    let mut http = server.http();
    assert_eq!(retain(&mut http, "192.0.2.1", "plant", "80").status, 200);
    let flood = (0..60).map(|n| retain(&mut http, "192.0.2.2", &format!("flood-{n}"), "x"));
    let statuses: Vec<u16> = flood.map(|response| response.status).collect();
    assert_eq!(statuses, [vec![200; 20], vec![503; 40]].concat());
    assert_eq!(retain(&mut http, "192.0.2.1", "tank", "80").status, 200);
    let (_, joined) = JsonClient::in_room(&server, "plant");
    assert_eq!(joined["retained"][0]["data"], "80");
}

#[test]
fn who_posts_or_begins_too_fast_is_told_when_to_go_on() {
    let server = start(&["--max-rooms", "40", "--rate", "1"]);
    let mut http = server.http();
    let mut begin = |address, n| retain(&mut http, address, &format!("r-{n}"), "x");
    let mut flood = (0..60).map(|n| begin("192.0.2.2", n));
    let refused = flood.find(|response| response.status == 429);
    let refused = refused.expect("more than a quarter of the rooms at once");
    refused.expect_problem(429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("connection"), Some("keep-alive"));
    assert_eq!(begin("192.0.2.3", 20).status, 200, "it is another address");
    let mut again = (0..5_000).map(|_| begin("192.0.2.3", 20).status);
    assert!(again.any(|status| status == 429), "POSTs have a rate");

    let mut member = JsonClient::new(&server, "/ws");
    let mut told = Vec::new();
    for n in 0..2 {
        let publish = json!({"type": "publish", "room": format!("j-{n}"), "data": 1});
        told.push(member.ask(publish)["type"].clone());
    }
    assert_eq!(
        told,
        ["ok", "ok"],
        "this machine has an allowance of its own"
    );
}

#[test]
fn the_operator_of_an_open_parlor_sees_who_fills_it_and_undoes_it() {
    let server = start(&["--max-rooms", "40", "--rate", "0"]);
    let mut http = server.http();
    assert_eq!(retain(&mut http, "192.0.2.1", "plant", "80").status, 200);
    for n in 0..5 {
        let response = retain(&mut http, "2001:db8::2", &format!("flood-{n}"), "xxxx");
        assert_eq!(response.status, 200);
    }
    let usage = body(&http.ask(get("/usage")));
    let most = &usage["usage"][0];
    assert_eq!(
        (&most["address"], &most["rooms"]),
        (&json!("2001:db8::/64"), &json!(5))
    );
    assert!(most["state_bytes"].as_u64() > usage["usage"][1]["state_bytes"].as_u64());
    let rooms = body(&http.ask(get("/usage?address=2001:db8::/64")));
    assert_eq!(rooms["rooms"][4], "flood-4");
    let forwarded = "X-Forwarded-For: 192.0.2.2\r\n";
    for path in ["/usage?address=2001:db8::2", "/rooms/plant"] {
        assert_eq!(
            delete(&mut http, path, forwarded),
            403,
            "only from this machine"
        );
    }
    let foreign = "Origin: http://elsewhere.test\r\n";
    assert_eq!(
        delete(&mut http, "/usage?address=2001:db8::2", foreign),
        403
    );
    for whom in ["", "?address=x", "?address=192.0.2.1&person=a"] {
        assert_eq!(
            delete(&mut http, &format!("/usage{whom}"), ""),
            400,
            "{whom}"
        );
    }
    assert_eq!(delete(&mut http, "/usage?address=2001:db8::2", ""), 204);
    let rooms = body(&http.ask(get("/rooms")));
    assert_eq!(rooms["rooms"], json!([{"name": "plant", "count": 0}]));
    assert_eq!(delete(&mut http, "/rooms/plant", ""), 204);
    assert_eq!(body(&http.ask(get("/rooms")))["rooms"], json!([]));
}
