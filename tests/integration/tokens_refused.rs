//! Tokens that are not taken, and what each gets.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::common::{
    JsonClient, SECRET, Server, TestFile, get, token, token_by, token_of, unix_seconds, upgrade,
};

/// A private key of this test, in PKCS#8.
const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";

fn guarded(flags: &[&str]) -> (Server, TestFile) {
    let file = TestFile::new(SECRET);
    let server = Server::start(&[&["--secret-file", file.path()], flags].concat());
    (server, file)
}

/// A token that says it is signed by `alg`, and is not signed at all.
fn unsigned(alg: &str) -> String {
    let part = |json: Value| data_encoding::BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    let claims = json!({"sub": "eve", "exp": unix_seconds() + 60.0, "subscribe": ["*"]});
    format!("{}.{}.", part(json!({"alg": alg})), part(claims))
}

/// Each token that is refused, the code at the JSON door, and a part of what is said of it.
fn refused() -> Vec<(String, &'static str, &'static str)> {
    let rights = json!(["*"]);
    let with = |name: &str, value: Value| {
        let mut claims = json!({"sub": "eve", "subscribe": rights, "publish": rights});
        claims[name] = value;
        token(claims)
    };
    let eve = json!({"sub": "eve", "subscribe": ["*"]});
    let hs512 = Header::new(Algorithm::HS512);
    let hs256 = Header::new(Algorithm::HS256);
    let other = "another secret of at least 32 bytes!";
    let mut tampered = token_of("eve");
    let last = tampered.pop().unwrap();
    tampered.push(if last == 'A' { 'Q' } else { 'A' });
    vec![
        (String::new(), "bad_token", "not a JSON Web Token"),
        ("garbage".into(), "bad_token", "not a JSON Web Token"),
        (unsigned("none"), "bad_token", "algorithm"),
        (unsigned("NONE"), "bad_token", "algorithm"),
        (unsigned("RS256"), "bad_token", "algorithm"),
        (unsigned("HS256"), "bad_token", "signature"),
        (
            token_by(&hs512, SECRET, eve.clone()),
            "bad_token",
            "algorithm",
        ),
        (token_by(&hs256, other, eve), "bad_token", "signature"),
        (tampered, "bad_token", "signature"),
        (with("exp", json!(1000)), "token_expired", "expired"),
        (with("exp", json!("soon")), "bad_token", "exp is not"),
        (with("exp", json!(null)), "bad_token", "no exp"),
        (with("publish", json!("tea")), "bad_token", "publish is not"),
        (
            with("nbf", json!(unix_seconds() + 900.0)),
            "bad_token",
            "not valid yet",
        ),
        (with("aud", json!("elsewhere")), "bad_token", "audience"),
        (with("sub", json!("guest-1")), "bad_token", "no name"),
        (with("sub", json!("\u{202e}eve")), "bad_token", "no name"),
        (
            with("pad", json!("x".repeat(4000))),
            "bad_token",
            "longer than 4096",
        ),
    ]
}

#[test]
fn every_door_refuses_them() {
    let (server, _file) = guarded(&["--max-uri", "32000", "--max-head", "32000"]);
    for (token, _, words) in refused() {
        let header = format!("Authorization: Bearer {token}\r\n");
        let requests = [
            get("/rooms/tea/messages").replace("\r\n\r\n", &format!("\r\n{header}\r\n")),
            get(&format!("/rooms/tea/events?token={token}")),
            upgrade(&format!("/ws/tea?token={token}")),
            format!(
                "POST /rooms/tea HTTP/1.1\r\nHost: localhost\r\n{header}Content-Length: 0\r\n\r\n"
            ),
        ];
        for request in requests {
            let response = server.http().ask(&request);
            let body = String::from_utf8(response.body.clone()).unwrap();
            assert_eq!(response.status, 401, "{request} {body}");
            let asked = response.header("www-authenticate").unwrap();
            // An empty token in the header is no token of that scheme.
            if !token.is_empty() {
                assert!(asked.contains("invalid_token"), "{asked}");
                assert!(body.contains(words), "{body}");
            }
        }
    }
}

#[test]
fn the_json_door_says_why_and_stays_open() {
    let (server, _file) = guarded(&[]);
    let mut client = JsonClient::stranger(server.tcp(), "/ws");
    assert_eq!(client.expect("error")["code"], "token_needed");
    for (token, code, words) in refused() {
        let answer = client.ask(json!({"type": "login", "token": token}));
        assert_eq!(answer["code"], code, "{answer}");
        assert!(
            answer["message"].as_str().unwrap().contains(words),
            "{answer}"
        );
    }
    let good = client.ask(json!({"type": "login", "token": token_of("eve")}));
    assert_eq!(good["you"]["name"], "eve", "{good}");
}

#[test]
fn neither_log_nor_metrics_tell_a_secret() {
    let (server, _file) = guarded(&["-vv"]);
    let good = token_of("alice");
    let bad = unsigned("none");
    let mut http = server.http();
    for token in [&good, &bad] {
        http.ask(get(&format!("/rooms/tea/messages?token={token}")));
    }
    let mut client = JsonClient::stranger(server.tcp(), &format!("/ws?token={good}"));
    client.expect("welcome");
    let refused = client.ask(json!({"type": "login", "token": bad}));
    assert!(!refused.to_string().contains(&bad));
    let metrics = String::from_utf8(http.ask(get("/metrics")).body).unwrap();
    assert!(
        metrics.contains("parlor_tokens_total{result=\"algorithm\"} 2"),
        "{metrics}"
    );
    assert!(
        metrics.contains("parlor_tokens_total{result=\"taken\"} 2"),
        "{metrics}"
    );
    client.socket().send("x");
    client.expect("error");
    server.wait_for_log(|line| line.contains("refused a token") && line.contains("algorithm"));
    let told = server.log() + &metrics;
    let signature = good.rsplit('.').next().unwrap();
    for secret in [SECRET, signature, bad.as_str(), "token="] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[test]
fn tokens_are_for_an_audience() {
    let (server, _file) = guarded(&["--audience", "parlor"]);
    let mut http = server.http();
    let mut status = |aud: Option<&str>| {
        let mut claims = json!({"sub": "a", "subscribe": ["*"]});
        if let Some(aud) = aud {
            claims["aud"] = json!(aud);
        }
        let target = format!("/rooms/tea/messages?token={}", token(claims));
        http.ask(get(&target)).status
    };
    assert_eq!(status(Some("parlor")), 200);
    assert_eq!((status(Some("other")), status(None)), (401, 401));
}

#[test]
fn tokens_of_others_are_checked_with_their_public_keys() {
    let der = data_encoding::BASE64.decode(ED25519.as_bytes()).unwrap();
    let key = EncodingKey::from_ed_der(&der);
    let jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
    let jwks = TestFile::new(json!({"keys": [jwk]}).to_string());
    let server = Server::start(&["--jwks-file", jwks.path()]);
    assert!(!server.announcement.contains("open to everyone"));
    let claims = json!({"sub": "a", "subscribe": ["*"], "exp": unix_seconds() + 60.0});
    let header = Header::new(Algorithm::EdDSA);
    let good = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let ask = |token: &str| {
        let target = format!("/rooms/tea/messages?token={token}");
        server.http().ask(get(&target)).status
    };
    assert_eq!(ask(&good), 200);
    assert_eq!(ask(&token_of("a")), 401, "there is no secret");
}

#[test]
fn one_place_for_the_token_is_enough() {
    let (server, _file) = guarded(&[]);
    let admin = token(json!({"sub": "root", "admin": true}));
    let token = token_of("alice");
    let fields = format!("\r\nAuthorization: Bearer {token}\r\n\r\n");
    let request = get(&format!("/rooms/tea/members?token={token}")).replace("\r\n\r\n", &fields);
    assert_eq!(server.http().ask(request).status, 400);
    let basic = "\r\nAuthorization: Basic YTpi\r\n\r\n";
    let response = server
        .http()
        .ask(get("/rooms/tea/members").replace("\r\n\r\n", basic));
    assert_eq!(response.status, 401);
    assert_eq!(
        response.header("www-authenticate"),
        Some("Bearer realm=\"parlor\"")
    );
    // A password is for a proxy before the server: it is no bad token, and counts as none.
    let beside = |target: &str| get(target).replace("\r\n\r\n", basic);
    let mut http = server.http();
    for _ in 0..30 {
        let response = http.ask(beside(&format!("/rooms/tea/members?token={token}")));
        assert_eq!(response.status, 200);
    }
    let metrics = http.ask(beside(&format!("/metrics?token={admin}")));
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("parlor_tokens_total{result=\"taken\"}"));
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("parlor_tokens_total{"))
    {
        assert!(line.contains("taken") || line.ends_with(" 0"), "{line}");
    }
}
