//! HTTP/1 by hand: requests as bytes, responses read strictly.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

/// A connection that speaks HTTP.
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request for `path` with the headers that HTTP/1.1 asks for.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A POST of `body` to `path`; each of the `headers` ends in CRLF.
pub(crate) fn post(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The same in these chunks.
pub(crate) fn post_chunked(path: &str, chunks: &[&str]) -> Vec<u8> {
    let mut request =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in chunks.iter().chain([&""]) {
        request += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    }
    request.into_bytes()
}

/// A good WebSocket handshake; the key is RFC 6455's own example.
pub(crate) fn upgrade(path: &str) -> String {
    upgrade_with(path, "")
}

/// `upgrade` with more header lines, each ending in CRLF.
pub(crate) fn upgrade_with(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

impl Http {
    pub(crate) fn new(stream: TcpStream) -> Http {
        Http {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// The bytes received behind the last response stay in the reader.
    pub(crate) fn into_reader(self) -> BufReader<TcpStream> {
        self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .get_mut()
            .write_all(bytes.as_ref())
            .expect("the server takes the request");
    }

    /// Sends `request`, a GET or the like, and reads its response.
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request);
        self.response()
    }

    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        let length = match response.header("content-length") {
            Some(length) => length.parse().expect("Content-Length is a number"),
            None if response.status < 200 || matches!(response.status, 204 | 304) => 0,
            None => panic!("a response without Content-Length: {response:?}"),
        };
        if response.status != 304 {
            response.body.resize(length, 0);
            self.stream
                .read_exact(&mut response.body)
                .expect("the whole body");
        }
        response
    }

    /// A response without a body, whatever its Content-Length says: the answer to HEAD.
    pub(crate) fn head(&mut self) -> Response {
        let status_line = self.line();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return Response {
                    status,
                    headers,
                    body: Vec::new(),
                };
            }
            let (name, value) = line.split_once(": ").expect("a header line");
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .expect("a line of a response");
        let line = line.strip_suffix("\r\n");
        line.expect("a line that ends in CRLF, not the end of the connection")
            .to_owned()
    }

    /// The server closes the connection, in order and with nothing more to say.
    pub(crate) fn expect_end(&mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => assert!(
                rest.is_empty(),
                "more came: {:?}",
                String::from_utf8_lossy(&rest)
            ),
            Err(error) => panic!("instead of the connection's end: {error}"),
        }
    }

    /// The server ends an idle connection: silently, or saying that it waited too long.
    pub(crate) fn expect_end_or_408(&mut self) {
        if !self
            .stream
            .fill_buf()
            .expect("an answer or the end")
            .is_empty()
        {
            self.response().expect_problem(408);
            self.expect_end();
        }
    }

    /// The server ends the connection, were it by a reset.
    pub(crate) fn expect_end_or_reset(&mut self) {
        if let Err(error) = self.stream.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
    }
}

impl Response {
    /// The value of the header `name`, given in lower case, which must not come twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str());
        let first = values.next();
        assert!(values.next().is_none(), "{name} comes twice: {self:?}");
        first
    }

    /// The elements of the list `name`, given in lower case, from all lines that it comes in.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(n, _)| n == name);
        let elements = lines.flat_map(|(_, line)| line.split(','));
        elements.map(str::trim).collect()
    }

    /// Checks that this is an error as RFC 9457 describes it, with one line of detail.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(problem["status"], status, "{problem}");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(!detail.is_empty() && !detail.contains('\n'), "{problem}");
    }
}
