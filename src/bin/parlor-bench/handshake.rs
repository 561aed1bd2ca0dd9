//! The opening handshake, on tungstenite's pieces, so that not one byte after the response is lost.

use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::{Response, generate_key, generate_request};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::http::{HeaderValue, StatusCode, Uri, header};

use crate::deflated;

/// Far more than a response needs.
const MAX_RESPONSE: usize = 16 * 1024;

/// A prepared request; only the key changes from connection to connection.
#[derive(Clone, Debug)]
pub(crate) struct RequestTemplate {
    bytes: Vec<u8>,
    key_at: usize,
    asked: Asked,
}

/// What a request asks for besides a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// A subprotocol.
    pub(crate) protocol: Option<&'static str>,
    /// permessage-deflate.
    pub(crate) deflate: bool,
}

impl RequestTemplate {
    pub(crate) fn new(uri: &Uri, asked: Asked) -> Result<RequestTemplate, String> {
        let mut request = uri
            .clone()
            .into_client_request()
            .map_err(|error| format!("{uri}: {error}"))?;
        let fields = request.headers_mut();
        if let Some(protocol) = asked.protocol {
            let value = HeaderValue::from_static(protocol);
            fields.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
        }
        if asked.deflate {
            let value = HeaderValue::from_static(deflated::OFFER);
            fields.insert(header::SEC_WEBSOCKET_EXTENSIONS, value);
        }
        let (bytes, key) = generate_request(request).map_err(|error| format!("{uri}: {error}"))?;
        let key_at = bytes
            .windows(key.len())
            .position(|window| window == key.as_bytes());
        Ok(RequestTemplate {
            key_at: key_at.ok_or("the request has no key")?,
            bytes,
            asked,
        })
    }

    /// A request with a fresh key, and the answer that a WebSocket server gives to it.
    pub(crate) fn request(&self) -> (Vec<u8>, String) {
        let key = generate_key();
        let mut bytes = self.bytes.clone();
        bytes[self.key_at..self.key_at + key.len()].copy_from_slice(key.as_bytes());
        (bytes, derive_accept_key(key.as_bytes()))
    }

    /// What it asks for.
    pub(crate) fn asked(&self) -> Asked {
        self.asked
    }
}

/// Looks for the response in what has come so far: how many bytes of it are the response's, once it is complete.
pub(crate) fn parse_response(
    input: &[u8],
    accept_key: &str,
    asked: Asked,
) -> Result<Option<usize>, String> {
    match Response::try_parse(input) {
        Ok(Some((length, response))) => verify(&response, accept_key, asked).map(|()| Some(length)),
        Ok(None) if input.len() > MAX_RESPONSE => Err("the response's header does not end".into()),
        Ok(None) => Ok(None),
        Err(error) => Err(format!("bad response: {error}")),
    }
}

/// RFC 6455 section 4.1, the client's part.
fn verify(response: &Response, accept_key: &str, asked: Asked) -> Result<(), String> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("refused with {}", response.status()));
    }
    let value = |name| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if !value(header::UPGRADE).eq_ignore_ascii_case("websocket") {
        return Err("the response does not upgrade to websocket".into());
    }
    if !value(header::CONNECTION)
        .split(',')
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
    {
        return Err("the response's Connection header does not say Upgrade".into());
    }
    if value(header::SEC_WEBSOCKET_ACCEPT) != accept_key {
        return Err("the response's Sec-WebSocket-Accept is wrong".into());
    }
    match value(header::SEC_WEBSOCKET_EXTENSIONS) {
        extensions if asked.deflate && !deflated::is_agreed(extensions) => {
            return Err(
                "the server does not agree to permessage-deflate without context takeover".into(),
            );
        }
        extensions if !asked.deflate && !extensions.is_empty() => {
            return Err("the server uses an extension that was not offered".into());
        }
        _ => {}
    }
    match (value(header::SEC_WEBSOCKET_PROTOCOL), asked.protocol) {
        (chosen, asked) if chosen == asked.unwrap_or_default() => Ok(()),
        ("", Some(asked)) => Err(format!("the server does not speak {asked}")),
        (chosen, _) => Err(format!("the server speaks {chosen}, unasked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_answer_is_taken_and_the_rest_left() {
        let template =
            RequestTemplate::new(&Uri::from_static("ws://localhost:1/ws"), Asked::default())
                .unwrap();
        let (request, accept) = template.request();
        assert!(request.starts_with(b"GET /ws HTTP/1.1\r\n"));
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        assert_eq!(
            parse_response(
                format!("{head}frames").as_bytes(),
                &accept,
                Asked::default()
            ),
            Ok(Some(head.len()))
        );
        assert_eq!(
            parse_response(
                &head.as_bytes()[..head.len() - 1],
                &accept,
                Asked::default()
            ),
            Ok(None)
        );
        assert!(parse_response(head.as_bytes(), "another", Asked::default()).is_err());
        assert!(
            parse_response(
                b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
                &accept,
                Asked::default()
            )
            .unwrap_err()
            .contains("503")
        );
    }

    #[test]
    fn each_connection_has_its_own_key() {
        let template =
            RequestTemplate::new(&Uri::from_static("ws://localhost:1/ws"), Asked::default())
                .unwrap();
        assert_ne!(template.request(), template.request());
    }
    #[test]
    fn a_subprotocol_is_asked_for_and_must_be_taken() {
        let uri = Uri::from_static("ws://localhost:1/ws");
        let asked = Asked {
            protocol: Some("parlor.v1.json"),
            deflate: false,
        };
        let template = RequestTemplate::new(&uri, asked).unwrap();
        let (request, accept) = template.request();
        let request = String::from_utf8(request).unwrap().to_lowercase();
        assert!(request.contains("\r\nsec-websocket-protocol: parlor.v1.json\r\n"));
        let answer = |protocol: &str| {
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
            format!("{head}{protocol}Sec-WebSocket-Accept: {accept}\r\n\r\n").into_bytes()
        };
        let taken = answer("Sec-WebSocket-Protocol: parlor.v1.json\r\n");
        let parse = |response: &[u8], asked| parse_response(response, &accept, asked);
        assert_eq!(parse(&taken, template.asked()), Ok(Some(taken.len())));
        let ignored = parse(&answer(""), template.asked()).unwrap_err();
        assert!(ignored.contains("does not speak parlor.v1.json"));
        assert!(parse(&taken, Asked::default()).is_err());
    }

    #[test]
    fn compression_is_asked_for_and_must_be_agreed_on() {
        let uri = Uri::from_static("ws://localhost:1/ws");
        let asked = Asked {
            protocol: None,
            deflate: true,
        };
        let template = RequestTemplate::new(&uri, asked).unwrap();
        let (request, accept) = template.request();
        let request = String::from_utf8(request).unwrap().to_lowercase();
        assert!(request.contains("\r\nsec-websocket-extensions: permessage-deflate; "));
        let parse = |agreed: &str, asked| {
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 {agreed}Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            parse_response(head.as_bytes(), &accept, asked)
        };
        let agreed = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
        assert!(parse(agreed, asked).is_ok());
        assert!(parse("", asked).unwrap_err().contains("does not agree"));
        assert!(parse(agreed, Asked::default()).is_err(), "unasked");
    }
}
