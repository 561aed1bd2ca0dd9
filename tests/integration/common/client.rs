//! A well-behaved client: tungstenite over a blocking socket.

use std::io::ErrorKind;
use std::net::TcpStream;

use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::client::Request;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, Utf8Bytes, WebSocket};

/// A member of a room.
pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
}

impl Client {
    /// Upgrades `stream` to the room at `path`; the error is the server's refusal.
    pub(crate) fn over(stream: TcpStream, path: &str) -> Result<Client, Error> {
        let url = format!("ws://{}{path}", stream.peer_addr()?);
        Self::over_request(stream, url.into_client_request()?)
    }

    /// The same with a subprotocol.
    pub(crate) fn with_subprotocol(
        stream: TcpStream,
        path: &str,
        subprotocol: &str,
    ) -> Result<Client, Error> {
        let url = format!("ws://{}{path}", stream.peer_addr()?);
        let mut request = url.into_client_request()?;
        let value = subprotocol
            .parse()
            .expect("a subprotocol is a header value");
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", value);
        Self::over_request(stream, request)
    }

    fn over_request(stream: TcpStream, request: Request) -> Result<Client, Error> {
        let config = WebSocketConfig::default()
            .max_frame_size(None)
            .max_message_size(None);
        match tungstenite::client::client_with_config(request, stream, Some(config)) {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(HandshakeError::Failure(error)) => Err(error),
            Err(HandshakeError::Interrupted(_)) => panic!("the handshake timed out"),
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.socket.get_ref()
    }

    pub(crate) fn send(&mut self, message: impl Into<Message>) {
        self.socket
            .send(message.into())
            .expect("the message goes out");
    }

    /// Puts a message behind others that are to leave together, with `flush`.
    pub(crate) fn queue(&mut self, message: impl Into<Message>) {
        self.socket
            .write(message.into())
            .expect("the message is queued");
    }

    pub(crate) fn flush(&mut self) {
        self.socket.flush().expect("the messages go out");
    }

    /// The next text or binary message, or the Close.
    pub(crate) fn next(&mut self) -> Message {
        self.try_next().expect("a message")
    }

    pub(crate) fn try_next(&mut self) -> Result<Message, Error> {
        loop {
            match self.socket.read() {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                // A read with a time-out is not restarted after a signal.
                Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, message: impl Into<Message>) {
        assert_eq!(self.next(), message.into());
    }

    /// Sends `text`, and sees it come back as the next message.
    #[track_caller]
    pub(crate) fn say(&mut self, text: &str) {
        self.send(text);
        self.expect(text);
    }

    /// Closes with the handshake, passing over what still comes, until the connection has ended.
    pub(crate) fn leave(mut self) {
        self.socket.close(None).expect("the Close goes out");
        loop {
            match self.socket.read() {
                Ok(_) => {}
                Err(Error::ConnectionClosed) => return,
                Err(error) => panic!("no clean close: {error}"),
            }
        }
    }

    /// Reads on to the end of the connection, which must come in order.
    pub(crate) fn expect_end(&mut self) {
        match self.socket.read() {
            Err(Error::ConnectionClosed) => {}
            other => panic!("instead of the end: {other:?}"),
        }
    }
}

/// Code and reason of a Close.
pub(crate) fn close_of(message: &Message) -> (u16, Utf8Bytes) {
    match message {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.clone()),
        other => panic!("instead of a Close with a code: {other:?}"),
    }
}
