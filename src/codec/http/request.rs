//! One request's head out of bytes (RFC 9112 sections 2 to 5), parsed with httparse and checked for what it lets pass.

use std::borrow::Cow;

use httparse::{EMPTY_HEADER, Header, Status as Parsed};

use super::host::Authority;
use super::query;
use super::response::{Problem, Status};
use super::target::Target;

/// More header fields than this in one request are refused with 431; browsers send about 15.
const MAX_FIELDS: usize = 64;

/// Limits on a request's head, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Request line and header fields together.
    pub head: usize,
    /// The request target.
    pub uri: usize,
}

/// How long a request's body is (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// So many bytes; 0 for no body.
    Counted(u64),
    /// To be read in chunks.
    Chunked,
}

/// The request line and what is needed of the header fields.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method, as sent: methods are case-sensitive.
    pub method: &'a str,
    /// The path of the target, not decoded.
    pub path: &'a str,
    /// The query of the target, not decoded; empty if there is none.
    pub query: &'a str,
    /// Whom the request is for: the authority of the target, else the Host; `None` if neither says it.
    pub authority: Option<Authority<'a>>,
    /// Whether more requests may follow on this connection, once the body has been read.
    pub keep_alive: bool,
    /// The body that follows the head.
    pub body: BodyLength,
    /// The client waits to be told that its body is wanted (RFC 9110 section 10.1.1).
    pub expects_continue: bool,
    /// The request is HTTP/1.1, not 1.0.
    pub is_http_11: bool,
    fields: Vec<Header<'a>>,
}

impl<'a> Request<'a> {
    /// Reads a request's head from the start of `input`; `None` while it is not whole. Also says how long the head is.
    /// `seen` bytes of `input` were there at the last call, so that a head that arrives byte by byte is not searched
    /// from its start each time.
    ///
    /// # Errors
    /// The answer to send, after which the connection is to be closed: where the next request begins is not known.
    pub fn parse(
        input: &'a [u8],
        seen: usize,
        limits: HeadLimits,
    ) -> Result<Option<(Self, usize)>, Problem> {
        refuse_bare_line_feeds(input, seen)?;
        let Some(length) = head_length(input, seen) else {
            return Self::check_unfinished(input, seen, limits);
        };
        if length > limits.head {
            return Err(too_long(&input[..length], limits));
        }
        let mut fields = vec![EMPTY_HEADER; MAX_FIELDS];
        let mut head = httparse::Request::new(&mut fields);
        if head
            .parse(&input[..length])
            .map_err(malformed)?
            .is_partial()
        {
            return Err(Problem::new(
                Status::BAD_REQUEST,
                "the request line is missing",
            ));
        }
        let (Some(method), Some(target), Some(minor)) = (head.method, head.path, head.version)
        else {
            return Err(Problem::new(
                Status::BAD_REQUEST,
                "the request line is not complete",
            ));
        };
        if target.len() > limits.uri {
            return Err(Problem::new(
                Status::URI_TOO_LONG,
                "the request target is too long",
            ));
        }
        let count = head.headers.len();
        fields.truncate(count);
        let target = Target::parse(target, method)?;
        let mut request = Self {
            method,
            path: target.path,
            query: target.query,
            authority: None,
            keep_alive: true,
            body: BodyLength::Counted(0),
            expects_continue: false,
            is_http_11: minor == 1,
            fields,
        };
        // RFC 9112 section 3.2.2: what the target says goes before the Host.
        let host = request.find_host()?;
        request.authority = target.authority.or(host);
        request.body = request.find_body()?;
        request.expects_continue = request.find_expectation()?;
        request.keep_alive = request.wants_keep_alive();
        Ok(Some((request, length)))
    }

    /// Garbage and long heads are refused before their end arrives. The parser runs only when the input has doubled,
    /// so that one byte at a time does not cost the square of the length.
    fn check_unfinished(
        input: &[u8],
        seen: usize,
        limits: HeadLimits,
    ) -> Result<Option<(Self, usize)>, Problem> {
        if input.len() > limits.head {
            return Err(too_long(input, limits));
        }
        if seen.checked_ilog2() != input.len().checked_ilog2() {
            let mut fields = [EMPTY_HEADER; MAX_FIELDS];
            let _: Parsed<usize> = httparse::Request::new(&mut fields)
                .parse(input)
                .map_err(malformed)?;
        }
        Ok(None)
    }

    /// The values of all fields of this name, in their order.
    pub fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    /// Whether there is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The value of a field that may stand only once; `None` also when it is not ASCII or stands more often.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        let mut values = self.values(name);
        let value = values.next()?;
        if values.next().is_some() || !value.is_ascii() {
            return None;
        }
        str::from_utf8(value).ok()
    }

    /// Refuses a query with other fields than these, or that is not to be understood in one way only.
    ///
    /// # Errors
    /// 400 with what is wrong.
    pub fn check_query(&self, known: &[&str]) -> Result<(), Problem> {
        query::check(self.query, known)
    }

    /// The same where one of the fields may stand there several times.
    ///
    /// # Errors
    /// As [`query::check_with_list`].
    pub fn check_query_with_list(&self, known: &[&str], list: &str) -> Result<(), Problem> {
        query::check_with_list(self.query, known, list)
    }

    /// The values of such a field.
    pub fn query_values(&self, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
        query::values(self.query, name)
    }

    /// The value of a field of the query, which is to be checked before; empty for one without a value.
    pub fn query_value(&self, name: &str) -> Option<Cow<'a, str>> {
        query::value(self.query, name)
    }

    /// Whether a field that is a comma-separated list has this item, in any case (RFC 9110 section 5.6.1).
    pub fn lists(&self, name: &str, item: &str) -> bool {
        self.items(name)
            .any(|listed| listed.eq_ignore_ascii_case(item.as_bytes()))
    }

    /// Whether a body follows the head.
    pub fn has_body(&self) -> bool {
        self.body != BodyLength::Counted(0)
    }

    /// The items of all fields of this name that is a comma-separated list.
    pub fn items(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.values(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|item| !item.is_empty())
    }

    /// RFC 9112 section 3.2: exactly one Host in HTTP/1.1, at most one in 1.0, and a valid one. It is empty where the
    /// client's URI has no authority.
    fn find_host(&self) -> Result<Option<Authority<'a>>, Problem> {
        let mut values = self.values("host");
        let value = match (values.next(), values.next(), self.is_http_11) {
            (Some(value), None, _) => value,
            (None, None, false) => return Ok(None),
            _ => {
                let detail = "exactly one Host header is needed";
                return Err(Problem::new(Status::BAD_REQUEST, detail));
            }
        };
        if value.is_empty() {
            return Ok(None);
        }
        let authority = str::from_utf8(value).ok().and_then(Authority::parse);
        match authority {
            Some(authority) => Ok(Some(authority)),
            None => Err(Problem::new(
                Status::BAD_REQUEST,
                "the Host header is no host with a port or without, as in localhost:8080 or [::1]",
            )),
        }
    }

    /// RFC 9112 section 6.3. Lengths that contradict each other are how requests are smuggled: refused.
    fn find_body(&self) -> Result<BodyLength, Problem> {
        let mut length = None;
        for value in self.values("content-length") {
            let digits = str::from_utf8(value)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let Some(value) = digits.and_then(|digits| digits.parse::<u64>().ok()) else {
                return Err(Problem::new(
                    Status::BAD_REQUEST,
                    "Content-Length is not a number",
                ));
            };
            if length.is_some_and(|earlier| earlier != value) {
                return Err(Problem::new(
                    Status::BAD_REQUEST,
                    "there are two different Content-Length headers",
                ));
            }
            length = Some(value);
        }
        if !self.has("transfer-encoding") {
            return Ok(BodyLength::Counted(length.unwrap_or(0)));
        }
        if length.is_some() {
            return Err(Problem::new(
                Status::BAD_REQUEST,
                "Content-Length and Transfer-Encoding exclude each other",
            ));
        }
        if !self.is_http_11 {
            return Err(Problem::new(
                Status::BAD_REQUEST,
                "Transfer-Encoding needs HTTP/1.1",
            ));
        }
        self.check_codings()
    }

    /// RFC 9112 section 6.1: chunked comes last, or nobody knows where the body ends.
    fn check_codings(&self) -> Result<BodyLength, Problem> {
        let last = self.items("transfer-encoding").last();
        if !last.is_some_and(|last| last.eq_ignore_ascii_case(b"chunked")) {
            return Err(Problem::new(
                Status::BAD_REQUEST,
                "the last Transfer-Encoding must be chunked",
            ));
        }
        if self.items("transfer-encoding").count() > 1 {
            return Err(Problem::new(
                Status::NOT_IMPLEMENTED,
                "no Transfer-Encoding but chunked is understood",
            ));
        }
        Ok(BodyLength::Chunked)
    }

    /// RFC 9110 section 10.1.1: there is one expectation, and HTTP/1.0 has none.
    fn find_expectation(&self) -> Result<bool, Problem> {
        if !self.is_http_11 {
            return Ok(false);
        }
        let mut expects_continue = false;
        for item in self.items("expect") {
            if !item.eq_ignore_ascii_case(b"100-continue") {
                return Err(Problem::new(
                    Status::EXPECTATION_FAILED,
                    "nothing but 100-continue may be expected",
                ));
            }
            expects_continue = true;
        }
        Ok(expects_continue)
    }

    /// RFC 9112 section 9.3.
    fn wants_keep_alive(&self) -> bool {
        let asked = if self.is_http_11 {
            true
        } else {
            self.lists("connection", "keep-alive")
        };
        asked && !self.lists("connection", "close")
    }
}

/// Length of the head, its empty line included, once that has arrived.
fn head_length(input: &[u8], seen: usize) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let from = seen.saturating_sub(END.len() - 1);
    input[from..]
        .windows(END.len())
        .position(|window| window == END)
        .map(|at| from + at + END.len())
}

/// httparse takes a bare LF for a line's end; other servers do not, and that difference is how requests are smuggled.
fn refuse_bare_line_feeds(input: &[u8], seen: usize) -> Result<(), Problem> {
    let end = head_length(input, seen).unwrap_or(input.len());
    let bare = |at: usize| input[at] == b'\n' && (at == 0 || input[at - 1] != b'\r');
    if (seen.min(end)..end).any(bare) {
        return Err(Problem::new(Status::BAD_REQUEST, "lines must end in CR LF"));
    }
    Ok(())
}

fn too_long(input: &[u8], limits: HeadLimits) -> Problem {
    let request_line = input
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(input.len());
    if request_line > limits.uri {
        return Problem::new(Status::URI_TOO_LONG, "the request target is too long");
    }
    Problem::new(
        Status::HEADERS_TOO_LARGE,
        "the request's header fields are too long",
    )
}

fn malformed(error: httparse::Error) -> Problem {
    match error {
        httparse::Error::TooManyHeaders => Problem::new(
            Status::HEADERS_TOO_LARGE,
            "there are too many header fields",
        ),
        httparse::Error::Version => Problem::new(
            Status::VERSION_NOT_SUPPORTED,
            "only HTTP/1.1 and HTTP/1.0 are spoken",
        ),
        httparse::Error::HeaderName | httparse::Error::HeaderValue => {
            Problem::new(Status::BAD_REQUEST, "a header field is malformed")
        }
        _ => Problem::new(Status::BAD_REQUEST, "this is not an HTTP request"),
    }
}

#[cfg(test)]
mod tests;
