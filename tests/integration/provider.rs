//! Keys of a provider, `--jwks-url`: they change, it is gone, it answers with garbage, without an end, or not at all.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::common::{
    Data, JsonClient, SECRET, Server, TestFile, eventually, get, run, token_of, unix_seconds,
};

/// A private key of this test, in PKCS#8.
const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";

#[derive(Clone)]
enum Answer {
    /// The set of the key of this id.
    Key(&'static str),
    /// This body.
    Text(&'static str),
    /// This status, and a field.
    Status(&'static str),
    Endless,
    Never,
}

/// A provider of keys. It ends with the process.
struct Provider {
    url: String,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<Mutex<usize>>,
}

impl Provider {
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self {
            url: format!("http://{}/keys", listener.local_addr().unwrap()),
            answer: Arc::new(Mutex::new(answer)),
            asked: Arc::default(),
        };
        let (answer, asked) = (Arc::clone(&this.answer), Arc::clone(&this.asked));
        thread::spawn(move || {
            let mut unanswered = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                read_request(&stream);
                *asked.lock().unwrap() += 1;
                let answer = answer.lock().unwrap().clone();
                // Whoever does not wait for the end may be gone.
                match answer {
                    Answer::Never => unanswered.push(stream),
                    answer => drop(write_answer(stream, &answer)),
                }
            }
        });
        this
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

fn read_request(stream: &TcpStream) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(head[0].starts_with("GET /keys"), "{}", head[0]);
}

fn write_answer(mut stream: TcpStream, answer: &Answer) -> std::io::Result<()> {
    let whole = |body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    };
    let text = match answer {
        Answer::Key(id) => whole(&set(id).to_string()),
        Answer::Text(body) => whole(body),
        Answer::Status(head) => {
            format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[b' '; 4096])?;
            }
        }
        Answer::Never => return Ok(()),
    };
    stream.write_all(text.as_bytes())
}

fn key() -> EncodingKey {
    let der = data_encoding::BASE64.decode(ED25519.as_bytes()).unwrap();
    EncodingKey::from_ed_der(&der)
}

fn set(id: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(&key(), Algorithm::EdDSA).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    json!({"keys": [jwk]})
}

/// A token that names the key of this id.
fn token_by(id: &str) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(id.to_owned());
    let claims = json!({"sub": "a", "subscribe": ["*"], "exp": unix_seconds() + 600.0});
    jsonwebtoken::encode(&header, &claims, &key()).unwrap()
}

fn status(server: &Server, token: &str) -> u16 {
    let target = format!("/rooms/tea/messages?token={token}");
    server.http().ask(get(&target)).status
}

fn requests(server: &Server, result: &str) -> u64 {
    server.metric(&format!(
        "parlor_jwks_requests_total{{result=\"{result}\"}}"
    ))
}

fn serve(provider: &Provider, flags: &[&str]) -> Server {
    Server::start(&[&["--jwks-url", &provider.url], flags].concat())
}

/// It may have a secret.
#[test]
fn the_query_of_the_address_is_shown_nowhere() {
    let provider = Provider::start(Answer::Text("{}"));
    let url = format!("{}?code=hidden", provider.url);
    let server = Server::start(&["--jwks-url", &url, "--log", "debug"]);
    let line = server.wait_for_log(|line| line.contains("cannot get keys from"));
    assert!(
        line.contains("/keys?***: ") && line.contains("no list \"keys\""),
        "{line}"
    );
    assert!(!server.log().contains("hidden"), "{}", server.log());
    let checked = run(&["check", "--jwks-url", &url]);
    assert!(checked.stdout.contains("/keys?***") && !checked.stdout.contains("hidden"));
}

#[test]
fn keys_are_got_and_follow_those_of_the_provider() {
    let provider = Provider::start(Answer::Key("one"));
    let server = serve(&provider, &[]);
    assert!(!server.announcement.contains("open to everyone"));
    eventually("keys", || status(&server, &token_by("one")) == 200);
    provider.answers(Answer::Key("two"));
    let two = token_by("two");
    let target = format!("/rooms/tea/messages?token={two}");
    let refused = server.http().ask(get(&target));
    assert_eq!(refused.status, 503, "it is asked for");
    assert!(refused.header("retry-after").is_some());
    let mut client = JsonClient::stranger(server.tcp(), "/ws");
    let refused = client.ask(json!({"type": "login", "token": token_by("made up")}));
    assert_eq!(refused["code"], "unavailable", "{refused}");
    assert!(refused["retry_ms"].as_u64().unwrap() <= 11_000, "{refused}");
    eventually("keys", || status(&server, &two) == 200);
    assert_eq!(
        status(&server, &token_by("one")),
        503,
        "it may be there again"
    );
    assert_eq!(
        status(&server, &token_by("made up")),
        401,
        "it was asked for"
    );
    assert_eq!(provider.asked(), 2);
    assert_eq!(
        (requests(&server, "ok"), requests(&server, "failed")),
        (2, 0)
    );
    assert_eq!(status(&server, &token_of("a")), 401, "there is no secret");
}

#[test]
fn what_is_no_set_leaves_the_server_as_it_is() {
    for (answer, why) in [
        (Answer::Text("<html>"), "not a JSON Web Key Set"),
        (Answer::Text(r#"{"keys": []}"#), "there is no key"),
        (Answer::Status("500 No"), "it has answered 500"),
        (
            Answer::Status("302 Found\r\nLocation: /other"),
            "redirects are not followed",
        ),
        (Answer::Endless, "longer than 262144 bytes"),
    ] {
        let provider = Provider::start(answer);
        let secret = TestFile::new(SECRET);
        let server = serve(&provider, &["--secret-file", secret.path()]);
        let line = server.wait_for_log(|line| line.contains("cannot get keys from"));
        assert!(line.contains(why), "{line}");
        assert_eq!(status(&server, &token_by("one")), 503);
        assert_eq!(status(&server, &token_of("a")), 200, "the secret is here");
        assert_eq!(provider.asked(), 1);
        assert_eq!(requests(&server, "failed"), 1);
    }
}

#[test]
fn a_provider_that_does_not_answer_delays_nobody() {
    let provider = Provider::start(Answer::Never);
    let secret = TestFile::new(SECRET);
    let server = serve(&provider, &["--secret-file", secret.path()]);
    eventually("a request", || provider.asked() == 1);
    assert_eq!(status(&server, &token_by("one")), 503);
    assert_eq!(status(&server, &token_of("a")), 200);
}

#[test]
fn the_last_good_keys_are_there_after_a_restart_without_the_provider() {
    let data = Data::new();
    let provider = Provider::start(Answer::Key("one"));
    let mut server = data.serve(&["--jwks-url", &provider.url]);
    eventually("keys", || status(&server, &token_by("one")) == 200);
    server.signal("TERM");
    server.wait();
    provider.answers(Answer::Text("no keys"));
    let server = data.serve(&["--jwks-url", &provider.url]);
    assert_eq!(status(&server, &token_by("one")), 200);
    server.wait_for_log(|line| line.contains("the last keys stay"));
    assert_eq!(status(&server, &token_by("one")), 200);
    drop(server);
    // Those of one are not another's.
    let other = Provider::start(Answer::Never);
    let server = data.serve(&["--jwks-url", &other.url]);
    assert_eq!(status(&server, &token_by("one")), 503);
}

#[test]
fn another_provider_is_asked_after_sighup() {
    let (one, two) = (
        Provider::start(Answer::Key("one")),
        Provider::start(Answer::Key("two")),
    );
    let config = TestFile::new(format!("port = 0\njwks-url = \"{}\"\n", one.url));
    let server = Server::start_bare(&["--config", config.path()], &[]);
    eventually("keys", || status(&server, &token_by("one")) == 200);
    config.write(&format!("port = 0\njwks-url = \"{}\"\n", two.url));
    server.signal("HUP");
    eventually("keys", || status(&server, &token_by("two")) == 200);
    assert_ne!(status(&server, &token_by("one")), 200);
}

#[test]
fn check_says_what_the_provider_answers() {
    let provider = Provider::start(Answer::Key("one"));
    let checked = run(&["check", "--jwks-url", &provider.url]);
    assert!(checked.status.success(), "{}", checked.stderr);
    assert!(
        checked.stdout.contains("keys that can be used: 1"),
        "{}",
        checked.stdout
    );
    provider.answers(Answer::Status("404 Not Found"));
    let checked = run(&["check", "--jwks-url", &provider.url]);
    assert!(checked.status.success());
    assert!(
        checked.stdout.contains("it has answered 404"),
        "{}",
        checked.stdout
    );
    let refused = run(&["--jwks-url", "idp.example/keys"]);
    assert!(!refused.status.success() && refused.stderr.contains("expected https://"));
}
