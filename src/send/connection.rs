//! The way to a server.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::{SendError, tls};
use crate::dial::{Connection, DialError};

/// For one read or write: a server may take a while to have a long file on its disk.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The address of a server: `http://localhost:8080`, or what is in a folder of a proxy, `https://chat.example/parlor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    is_tls: bool,
    authority: String,
    path: String,
}

impl ServerAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// What is expected of one.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected the server's address, such as http://localhost:8080 or https://chat.example";
        let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
        let is_tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(EXPECTED.to_owned()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_plain = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['?', '#', '@'])
        };
        if authority.is_empty() || !is_plain(authority) || !is_plain(path) {
            return Err(EXPECTED.to_owned());
        }
        Ok(Self {
            is_tls,
            authority: authority.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// The folder that the server is in; empty for none.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The host, without the brackets of IPv6, and the port.
    fn host_and_port(&self) -> (&str, u16) {
        let port = self.authority.rsplit_once(':');
        let port = port.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let usual = if self.is_tls { 443 } else { 80 };
        let (host, port) = port.unwrap_or((&self.authority, usual));
        let inside = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        (inside.unwrap_or(host), port)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// Connects.
pub(super) fn open(
    address: &ServerAddress,
    ca_file: Option<&Path>,
) -> Result<Connection, SendError> {
    let (host, port) = address.host_and_port();
    let connection = match address.is_tls {
        true => {
            let config = tls::client_config(ca_file, "--ca-file")?;
            Connection::open_tls(host, port, TIMEOUT, config)
        }
        false => Connection::open(host, port, TIMEOUT),
    };
    connection.map_err(|error| {
        SendError::new(match error {
            DialError::Unreachable(error) => format!(
                "cannot connect to {address}: {error}; name a server that runs with --server"
            ),
            DialError::Tls(error) => {
                format!("cannot speak TLS to {address}: {error}; see --ca-file")
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        for (text, shown, host, port) in [
            (
                "http://localhost:8080",
                "http://localhost:8080",
                "localhost",
                8080,
            ),
            (
                "https://chat.example/",
                "https://chat.example",
                "chat.example",
                443,
            ),
            ("http://[::1]:90/", "http://[::1]:90", "::1", 90),
            ("http://[::1]", "http://[::1]", "::1", 80),
            (
                "https://chat.example/parlor/",
                "https://chat.example/parlor",
                "chat.example",
                443,
            ),
        ] {
            let address = ServerAddress::parse(text).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.host_and_port(), (host, port), "{text}");
        }
        for bad in [
            "",
            "localhost:8080",
            "ws://localhost",
            "http://",
            "http://a b",
            "http://a/?x",
            "http://u@h",
        ] {
            assert!(ServerAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
