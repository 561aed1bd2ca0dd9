//! Responses: a status, header fields, and a body that may be shared (RFC 9110 section 15, RFC 9457).

use std::borrow::Cow;
use std::fmt::Write as _;

/// A status code and its reason phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The three digits.
    pub code: u16,
    /// The standard phrase.
    pub phrase: &'static str,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::CONTINUE,
        Self::SWITCHING_PROTOCOLS,
        Self::OK,
        Self::CREATED,
        Self::NO_CONTENT,
        Self::PARTIAL_CONTENT,
        Self::MULTI_STATUS,
        Self::NOT_MODIFIED,
        Self::BAD_REQUEST,
        Self::UNAUTHORIZED,
        Self::FORBIDDEN,
        Self::NOT_FOUND,
        Self::METHOD_NOT_ALLOWED,
        Self::REQUEST_TIMEOUT,
        Self::CONFLICT,
        Self::PRECONDITION_FAILED,
        Self::CONTENT_TOO_LARGE,
        Self::URI_TOO_LONG,
        Self::UNSUPPORTED_MEDIA_TYPE,
        Self::RANGE_NOT_SATISFIABLE,
        Self::EXPECTATION_FAILED,
        Self::MISDIRECTED_REQUEST,
        Self::UPGRADE_REQUIRED,
        Self::TOO_MANY_REQUESTS,
        Self::HEADERS_TOO_LARGE,
        Self::NOT_IMPLEMENTED,
        Self::SERVICE_UNAVAILABLE,
        Self::INSUFFICIENT_STORAGE,
        Self::VERSION_NOT_SUPPORTED,
    ];

    /// 100, which says that the body is wanted.
    pub const CONTINUE: Self = Self::new(100, "Continue");
    /// 101, RFC 9110 section 15.2.2.
    pub const SWITCHING_PROTOCOLS: Self = Self::new(101, "Switching Protocols");
    /// 200.
    pub const OK: Self = Self::new(200, "OK");
    /// 201, comes with `Location`.
    pub const CREATED: Self = Self::new(201, "Created");
    /// 204.
    pub const NO_CONTENT: Self = Self::new(204, "No Content");
    /// 206, comes with `Content-Range`.
    pub const PARTIAL_CONTENT: Self = Self::new(206, "Partial Content");
    /// 207, RFC 4918: the body names what became of each part.
    pub const MULTI_STATUS: Self = Self::new(207, "Multi-Status");
    /// 304, the client's copy is still good.
    pub const NOT_MODIFIED: Self = Self::new(304, "Not Modified");
    /// 400.
    pub const BAD_REQUEST: Self = Self::new(400, "Bad Request");
    /// 401, comes with `WWW-Authenticate`.
    pub const UNAUTHORIZED: Self = Self::new(401, "Unauthorized");
    /// 403.
    pub const FORBIDDEN: Self = Self::new(403, "Forbidden");
    /// 404.
    pub const NOT_FOUND: Self = Self::new(404, "Not Found");
    /// 405, comes with `Allow`.
    pub const METHOD_NOT_ALLOWED: Self = Self::new(405, "Method Not Allowed");
    /// 408.
    pub const REQUEST_TIMEOUT: Self = Self::new(408, "Request Timeout");
    /// 409.
    pub const CONFLICT: Self = Self::new(409, "Conflict");
    /// 412.
    pub const PRECONDITION_FAILED: Self = Self::new(412, "Precondition Failed");
    /// 413.
    pub const CONTENT_TOO_LARGE: Self = Self::new(413, "Content Too Large");
    /// 414.
    pub const URI_TOO_LONG: Self = Self::new(414, "URI Too Long");
    /// 415.
    pub const UNSUPPORTED_MEDIA_TYPE: Self = Self::new(415, "Unsupported Media Type");
    /// 416, comes with `Content-Range`.
    pub const RANGE_NOT_SATISFIABLE: Self = Self::new(416, "Range Not Satisfiable");
    /// 417.
    pub const EXPECTATION_FAILED: Self = Self::new(417, "Expectation Failed");
    /// 421, RFC 9110 section 15.5.20.
    pub const MISDIRECTED_REQUEST: Self = Self::new(421, "Misdirected Request");
    /// 426, comes with `Upgrade`.
    pub const UPGRADE_REQUIRED: Self = Self::new(426, "Upgrade Required");
    /// 429, RFC 6585, comes with `Retry-After`.
    pub const TOO_MANY_REQUESTS: Self = Self::new(429, "Too Many Requests");
    /// 431, RFC 6585.
    pub const HEADERS_TOO_LARGE: Self = Self::new(431, "Request Header Fields Too Large");
    /// 501.
    pub const NOT_IMPLEMENTED: Self = Self::new(501, "Not Implemented");
    /// 503, comes with `Retry-After`.
    pub const SERVICE_UNAVAILABLE: Self = Self::new(503, "Service Unavailable");
    /// 507.
    pub const INSUFFICIENT_STORAGE: Self = Self::new(507, "Insufficient Storage");
    /// 505.
    pub const VERSION_NOT_SUPPORTED: Self = Self::new(505, "HTTP Version Not Supported");

    const fn new(code: u16, phrase: &'static str) -> Self {
        Self { code, phrase }
    }
}

/// A request that is answered with an error: `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status.
    pub status: Status,
    /// What is wrong and what to do about it, in one line.
    pub detail: Cow<'static, str>,
    /// Header fields that the status calls for.
    pub fields: &'static [(&'static str, &'static str)],
    /// Seconds after which the request may be sent again (RFC 9110 section 10.2.3).
    pub retry_after: Option<u64>,
    /// One more field of the body, whose value is JSON (RFC 9457 section 3.2).
    pub extension: Option<(&'static str, Box<str>)>,
}

impl Problem {
    /// A problem without header fields of its own.
    pub const fn new(status: Status, detail: &'static str) -> Self {
        Self {
            status,
            detail: Cow::Borrowed(detail),
            fields: &[],
            retry_after: None,
            extension: None,
        }
    }

    /// The same of one whose detail is found as it comes up.
    pub fn detailed(status: Status, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            detail: detail.into(),
            fields: &[],
            retry_after: None,
            extension: None,
        }
    }

    /// The refusal of one who asks too much, for so many milliseconds.
    pub fn too_many_requests(detail: &'static str, retry_ms: u64) -> Self {
        Self {
            retry_after: Some(retry_ms.div_ceil(1_000)),
            ..Self::new(Status::TOO_MANY_REQUESTS, detail)
        }
    }

    /// The same with header fields.
    pub fn with(self, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { fields, ..self }
    }

    /// The body.
    pub fn to_json(&self) -> String {
        let Self {
            status: Status { code, phrase },
            ref detail,
            ref extension,
            ..
        } = *self;
        let detail = serde_json::Value::from(&**detail);
        let extension = extension.as_ref();
        let extension = extension.map_or(String::new(), |(name, it)| format!(",\"{name}\":{it}"));
        format!(
            "{{\"type\":\"about:blank\",\"title\":\"{phrase}\",\"status\":{code},\"detail\":{detail}{extension}}}\n"
        )
    }
}

/// The last moment that a `Date` can say, in milliseconds since 1970: its year has four digits.
const LAST_DATE_MS: u64 = 253_402_300_799_999;

/// Writes a response's head, field by field.
#[derive(Debug)]
pub struct Head(String);

impl Head {
    /// Begins with the status line and `Date`, given in milliseconds since 1970.
    pub fn new(status: Status, unix_ms: u64) -> Self {
        let date =
            std::time::UNIX_EPOCH + std::time::Duration::from_millis(unix_ms.min(LAST_DATE_MS));
        let mut head = Self(String::with_capacity(256));
        // Writing to a String does not fail.
        let _ = write!(head.0, "HTTP/1.1 {} {}\r\n", status.code, status.phrase);
        head.field("Date", &httpdate::fmt_http_date(date));
        head
    }

    /// The whole of an interim response, after which the real one follows (RFC 9110 section 15.2).
    pub fn interim(status: Status) -> Vec<u8> {
        format!("HTTP/1.1 {} {}\r\n\r\n", status.code, status.phrase).into_bytes()
    }

    /// Adds a field; the caller vouches that the value holds no line ends.
    pub fn field(&mut self, name: &str, value: &str) {
        self.0.push_str(name);
        self.0.push_str(": ");
        self.0.push_str(value);
        self.0.push_str("\r\n");
    }

    /// Says whether the connection stays open after this response (RFC 9112 section 9.6).
    pub fn connection(&mut self, keep_alive: bool) {
        self.field(
            "Connection",
            if keep_alive { "keep-alive" } else { "close" },
        );
    }

    /// The same in a response that has the field `Upgrade`, which is to be named here (RFC 9110 section 7.8).
    pub fn connection_and_upgrade(&mut self, keep_alive: bool) {
        self.field(
            "Connection",
            if keep_alive {
                "upgrade, keep-alive"
            } else {
                "upgrade, close"
            },
        );
    }

    /// Ends the head; a body may be appended.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.push_str("\r\n");
        self.0.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_of_json() {
        let json = Problem::detailed(Status::NOT_FOUND, "no \"tea\"").to_json();
        assert_eq!(
            json,
            "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"no \\\"tea\\\"\"}\n"
        );
    }

    #[test]
    fn a_head_is_lines() {
        let mut head = Head::new(Status::OK, 784_111_777_000);
        head.connection(false);
        let head = String::from_utf8(head.finish()).unwrap();
        assert_eq!(
            head,
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn a_date_stays_within_four_digits() {
        assert_eq!(
            Head::new(Status::OK, u64::MAX).finish(),
            b"HTTP/1.1 200 OK\r\nDate: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n"
        );
    }
}
