//! The floor's opening handshake: no check that it can do without.

use tungstenite::handshake::derive_accept_key;

/// What to do with a request.
pub(super) enum Answer {
    Incomplete,
    Refuse,
    Accept { length: usize, response: Vec<u8> },
}

/// Looks for a complete request.
pub(super) fn answer(input: &[u8]) -> Answer {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Answer::Incomplete,
        Err(_) => return Answer::Refuse,
    };
    let key = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("Sec-WebSocket-Key"));
    let Some(key) = key else {
        return Answer::Refuse;
    };
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.value)
    );
    Answer::Accept {
        length,
        response: response.into_bytes(),
    }
}
