//! A reader of Server-Sent Events.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::common::Server;

/// A reader of a stream, as a browser's EventSource is.
pub(crate) struct Events {
    pub(crate) stream: BufReader<TcpStream>,
    /// The `id:` that came last.
    pub(crate) last_id: String,
}

/// One event.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) data: Value,
    pub(crate) has_id: bool,
}

impl Events {
    pub(crate) fn open(server: &Server, target: &str, last_id: &str) -> Self {
        let mut stream = server.tcp();
        let last_event_id = match last_id {
            "" => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        };
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: localhost\r\n{last_event_id}\r\n"
        )
        .unwrap();
        let mut events = Self {
            stream: BufReader::new(stream),
            last_id: last_id.to_owned(),
        };
        assert_eq!(events.line(), "HTTP/1.1 200 OK");
        while !events.line().is_empty() {}
        events
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The next event; comments and delays are passed over.
    pub(crate) fn next(&mut self) -> Event {
        let mut event = Event::default();
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("id", id)) => {
                    self.last_id = id.to_owned();
                    event.has_id = true;
                }
                Some(("event", kind)) => event.kind = kind.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                _ if line.is_empty() && event.data != Value::Null => return event,
                _ => {}
            }
        }
    }

    pub(crate) fn message(&mut self) -> Value {
        let event = self.next();
        assert_eq!(event.kind, "", "{event:?}");
        event.data
    }
}
