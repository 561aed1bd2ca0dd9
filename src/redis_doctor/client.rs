//! A connection to a Redis that waits for each reply.

use std::io::{self, ErrorKind, Read as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::reply::Read;
use crate::codec::resp::{Reply, parse, write_command};
use crate::dial::{Connection, DialError};
use crate::send::tls::client_config;
use crate::settings::RedisUrl;

/// For one reply. A Redis that takes longer is of no use to a node.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Far more than any reply here.
const MAX_REPLY: usize = 16 << 20;

/// Where a Redis is, and who asks.
#[derive(Clone, Debug)]
pub(super) struct Address {
    url: RedisUrl,
    /// Trusts the owner of its certificate.
    tls: Option<Arc<ClientConfig>>,
}

impl Address {
    /// That of a URL. `ca_file` has the certificates to trust, in place of the system's.
    pub(super) fn new(url: &RedisUrl, ca_file: Option<&Path>) -> Result<Self, String> {
        let tls = url.is_tls.then(|| client_config(ca_file, "--redis-ca"));
        Ok(Self {
            url: url.clone(),
            tls: tls.transpose().map_err(|error| error.to_string())?,
        })
    }

    /// For people, without user and password.
    pub(super) fn shown(&self) -> String {
        let url = RedisUrl {
            user: None,
            password: None,
            ..self.url.clone()
        };
        url.to_string()
    }

    pub(super) fn host(&self) -> &str {
        &self.url.host
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.url.user.as_deref()
    }

    /// The same at another place.
    pub(super) fn at(&self, host: &str, port: u16) -> Self {
        let mut other = self.clone();
        (other.url.host, other.url.port, other.url.master) = (host.into(), port, None);
        other
    }

    /// The same of a Sentinel, whose master the user, the password and the database are for.
    pub(super) fn of_sentinel(&self) -> Self {
        let mut other = self.clone();
        (other.url.user, other.url.password, other.url.db) = (None, None, 0);
        other
    }
}

/// A connection on which one command is under way at a time.
#[derive(Debug)]
pub(super) struct Client {
    connection: Connection,
    input: Vec<u8>,
}

impl Client {
    /// Connects, and says who asks. The error says what to do.
    pub(super) fn open(address: &Address) -> Result<Self, String> {
        let (host, port) = (address.host(), address.url.port);
        let connection = match &address.tls {
            Some(config) => Connection::open_tls(host, port, TIMEOUT, Arc::clone(config)),
            None => Connection::open(host, port, TIMEOUT),
        };
        let url = address.shown();
        let mut client = Self {
            connection: connection.map_err(|error| match error {
                DialError::Unreachable(error) => {
                    format!("cannot connect to {url}: {error}; does Redis run there?")
                }
                DialError::Tls(error) => {
                    format!("cannot speak TLS to {url}: {error}")
                }
            })?,
            input: Vec::new(),
        };
        client.greet(address)?;
        Ok(client)
    }

    fn greet(&mut self, address: &Address) -> Result<(), String> {
        let url = address.shown();
        if let Some(password) = &address.url.password {
            let user = address.user();
            let words: Vec<&str> = [Some("AUTH"), user, Some(password)]
                .into_iter()
                .flatten()
                .collect();
            if let Some(error) = self.ask(&words, &url)?.error() {
                return Err(format!(
                    "{url} does not take the user or the password: {error}"
                ));
            }
        }
        if let Some(error) = self.ask(&["PING"], &url)?.error() {
            return Err(match error.starts_with("NOAUTH") {
                true => format!("{url} wants a password: redis://user:password@host:port"),
                false => format!("{url} does not answer PING: {error}"),
            });
        }
        if address.url.db > 0 {
            let db = address.url.db.to_string();
            if let Some(error) = self.ask(&["SELECT", &db], &url)?.error() {
                return Err(format!("{url} has no database {db} for this user: {error}"));
            }
        }
        Ok(())
    }

    fn ask(&mut self, words: &[&str], url: &str) -> Result<Reply, String> {
        self.call(words)
            .map_err(|error| format!("{url} does not answer: {error}"))
    }

    /// Sends a command, and waits for its reply, which may be an error of Redis.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub(super) fn call(&mut self, words: &[&str]) -> io::Result<Reply> {
        let mut output = Vec::new();
        write_command(words.iter().map(|word| word.as_bytes()), &mut output);
        self.connection.write_all(&output)?;
        self.connection.flush()?;
        self.next()
    }

    /// Waits for a reply, or for a message.
    pub(super) fn next(&mut self) -> io::Result<Reply> {
        let mut buffer = [0; 16 << 10];
        loop {
            if let Some((reply, length)) = parse(&self.input).map_err(io::Error::other)? {
                self.input.drain(..length);
                return Ok(reply);
            }
            if self.input.len() > MAX_REPLY {
                return Err(io::Error::other("the reply does not end"));
            }
            match self.connection.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.input.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What Linux says when a timeout of a socket is over.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(io::Error::new(ErrorKind::TimedOut, "no reply in 5 seconds"));
                }
                Err(error) => return Err(error),
            }
        }
    }
}
