//! `parlor send`: sends files to a room of a server that runs, and prints the link of each. A client, and no part of the rings:
//! it waits for what it does.

mod connection;
mod progress;
mod response;
pub(crate) mod tls;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use connection::ServerAddress;
use progress::Progress;
use response::Response;

use crate::dial::Connection;

/// Bytes that are read of a file, and written, at once.
const SLICE: usize = 64 << 10;

/// What is sent, and where to.
#[derive(Args, Clone, Debug)]
pub struct SendArgs {
    /// Files to send
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Room to send them to
    #[arg(long, value_name = "ROOM", default_value = "lobby")]
    pub room: String,

    /// Address of the server, as its first line says it
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080", value_parser = ServerAddress::parse)]
    pub server: ServerAddress,

    /// Name to send them under, where the parlor is open
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// File with the token to show, where the server asks for one
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pub token_file: Option<PathBuf>,

    /// File with certificates in PEM format to trust, in place of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Why a file was not sent: one line that says what to do.
#[derive(Debug)]
pub struct SendError(String);

impl SendError {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    fn of_file(path: &Path, error: &io::Error) -> Self {
        Self(format!("cannot read {}: {error}", path.display()))
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SendError {}

/// Sends the files, one after another, and prints their links, each alone on its line.
///
/// # Errors
/// The first file that could not be sent. Those behind it are not tried.
pub fn send(args: &SendArgs) -> Result<(), SendError> {
    let token = args.token_file.as_deref().map(read_token).transpose()?;
    for path in &args.files {
        let link = send_file(path, token.as_deref(), args)?;
        println!("{link}");
    }
    Ok(())
}

fn read_token(path: &Path) -> Result<String, SendError> {
    let text = std::fs::read_to_string(path).map_err(|error| SendError::of_file(path, &error))?;
    let token = text.trim();
    let is_token = |byte: u8| byte.is_ascii_graphic();
    match !token.is_empty() && token.bytes().all(is_token) {
        true => Ok(token.to_owned()),
        false => Err(SendError::new(format!(
            "there is no token in {}; `parlor token` makes one",
            path.display()
        ))),
    }
}

fn send_file(path: &Path, token: Option<&str>, args: &SendArgs) -> Result<String, SendError> {
    let of_file = |error: io::Error| SendError::of_file(path, &error);
    let file = File::open(path).map_err(of_file)?;
    let metadata = file.metadata().map_err(of_file)?;
    if !metadata.is_file() {
        let what = format!(
            "{} is no regular file; pack it into one first",
            path.display()
        );
        return Err(SendError::new(what));
    }
    let length = metadata.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut connection = connection::open(&args.server, args.ca_file.as_deref())?;
    let head = request_head(&name, length, token, args);
    let mut progress = Progress::new(&name, length);
    let response = exchange(&mut connection, &head, file, length, &mut progress)
        .map_err(|error| SendError::new(format!("cannot send {}: {error}", path.display())))?;
    drop(progress);
    link_of(&response, path, args)
}

fn request_head(name: &str, length: u64, token: Option<&str>, args: &SendArgs) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let query = args.name.as_deref().map(encoded);
    let query = query.map_or(String::new(), |name| format!("?name={name}"));
    let token = token.map_or(String::new(), |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    // The server may refuse it before it is sent.
    format!(
        "PUT {}/rooms/{}/files/{}{query} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n{token}\
         Expect: 100-continue\r\nConnection: close\r\n\r\n",
        args.server.path(),
        encoded(&args.room),
        encoded(name),
        args.server.authority(),
    )
}

/// Sends the request, and the file unless the server refuses it before, and reads the response.
fn exchange(
    connection: &mut Connection,
    head: &str,
    file: File,
    length: u64,
    progress: &mut Progress,
) -> io::Result<Response> {
    connection.write_all(head.as_bytes())?;
    connection.flush()?;
    let early = Response::read(connection)?;
    if early.status != 100 {
        return Ok(early);
    }
    match write_body(connection, file, length, progress) {
        // A server that refuses the rest says why before it closes.
        Err(error) => Response::read_final(connection).map_err(|_| error),
        Ok(()) => Response::read_final(connection),
    }
}

fn write_body(
    connection: &mut Connection,
    file: File,
    length: u64,
    progress: &mut Progress,
) -> io::Result<()> {
    let mut rest = file.take(length);
    let mut slice = vec![0; SLICE];
    let mut sent = 0;
    loop {
        let count = rest.read(&mut slice)?;
        if count == 0 {
            break;
        }
        connection.write_all(&slice[..count])?;
        sent += count as u64;
        progress.show(sent);
    }
    if sent < length {
        let what = "the file has become shorter while it was sent; send it again";
        return Err(io::Error::other(what));
    }
    connection.flush()
}

/// The link that the message has, or why there is none.
fn link_of(response: &Response, path: &Path, args: &SendArgs) -> Result<String, SendError> {
    let json: Option<Value> = serde_json::from_slice(&response.body).ok();
    let text = |pointer| {
        let value = json.as_ref().and_then(|json| json.pointer(pointer));
        value.and_then(Value::as_str)
    };
    if response.status == 201
        && let Some(href) = text("/data/file/href")
    {
        return Ok(format!("{}{href}", args.server));
    }
    let why = match text("/detail") {
        Some(detail) => detail.to_owned(),
        None => format!("the server has answered {}", response.status),
    };
    Err(SendError::new(format!(
        "{} was not sent: {why}",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> SendArgs {
        SendArgs {
            files: vec!["a b.txt".into()],
            room: "tea".to_owned(),
            server: ServerAddress::parse("http://localhost:8080/").unwrap(),
            name: None,
            token_file: None,
            ca_file: None,
        }
    }

    #[test]
    fn a_request_names_the_room_and_the_file() {
        let head = request_head("a b/\u{e9}.txt", 5, None, &args());
        let line = "PUT /rooms/tea/files/a%20b%2F%C3%A9%2Etxt HTTP/1.1\r\nHost: localhost:8080\r\n";
        assert!(head.starts_with(line), "{head}");
        let named = SendArgs {
            name: Some("ana b".to_owned()),
            ..args()
        };
        let head = request_head("a", 5, Some("token"), &named);
        assert!(
            head.contains("/files/a?name=ana%20b HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains("\r\nAuthorization: Bearer token\r\n"),
            "{head}"
        );
    }

    #[test]
    fn an_answer_is_a_link_or_a_reason() {
        let link = |status, body: &str| {
            let body = body.as_bytes().to_vec();
            link_of(&Response { status, body }, Path::new("a"), &args())
                .map_err(|it| it.to_string())
        };
        let told = r#"{"data":{"file":{"href":"/files/0a/a"}}}"#;
        assert_eq!(
            link(201, told).as_deref(),
            Ok("http://localhost:8080/files/0a/a")
        );
        let refused = link(507, r#"{"detail":"there is no room"}"#);
        assert_eq!(refused, Err("a was not sent: there is no room".to_owned()));
        assert_eq!(
            link(200, told),
            Err("a was not sent: the server has answered 200".to_owned())
        );
    }
}
