//! What a proxy says of the connection that it passes on, before the first byte of that: the PROXY protocol, version 2
//! (HAProxy's specification of it, section 2.2).
//!
//! By hand, because the crates there are want the whole header in memory, 64 KiB of which nothing is needed behind the
//! addresses, and refuse a `LOCAL` of a family that they do not know, which is to be accepted.

use std::error::Error;
use std::fmt;

// What an address is, not what one can do with a socket.
use ::core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use serde::{Deserialize, Serialize};

/// What a header begins with. It begins no request, no TLS handshake, and no line that anyone types.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a header before its addresses.
const FIXED: usize = 16;
/// Bytes of the addresses of a family: two, and two ports.
const INET: usize = 2 * (4 + 2);
const INET6: usize = 2 * (16 + 2);

/// Bytes of a header that are looked at, at most; what follows them is dropped as it comes.
pub const MAX_READ: usize = FIXED + INET6;

/// Bytes that may follow the fixed part of a header: the addresses, and what a proxy has to say of TLS.
pub const MAX_LENGTH: usize = 4 << 10;

/// For whom a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Client {
    /// Someone whom it does not name, or not by an address of the Internet.
    Unknown,
    /// Someone at this address.
    At(SocketAddr),
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Not a header: they belong to what the connection is for.
    Other,
    /// Perhaps a header, of which so many bytes are to be read next.
    Unfinished(usize),
    /// A header.
    Header {
        /// For whom the proxy speaks; `None` when it is for itself, as when it sees whether the server is there.
        client: Option<Client>,
        /// How long what was looked at is.
        length: usize,
        /// Bytes that follow it and still belong to the header.
        rest: usize,
    },
}

/// Why a header is not one, for whoever runs the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeaderError(&'static str);

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad PROXY header: {}", self.0)
    }
}

impl Error for ProxyHeaderError {}

impl Beginning {
    /// Looks at all that has been read of a connection, which is never more than an answer has asked for.
    ///
    /// # Errors
    /// The header is not as the specification has it: the connection is to be closed.
    pub fn parse(input: &[u8]) -> Result<Self, ProxyHeaderError> {
        let seen = input.len().min(SIGNATURE.len());
        if input[..seen] != SIGNATURE[..seen] {
            return Ok(Self::Other);
        }
        let Some((fixed, addresses)) = input.split_first_chunk::<FIXED>() else {
            return Ok(Self::Unfinished(FIXED - input.len()));
        };
        let &[.., version_and_command, family, high, low] = fixed;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_LENGTH {
            return Err(ProxyHeaderError("it is longer than 4096 bytes"));
        }
        let is_local = match version_and_command {
            0x20 => true,
            0x21 => false,
            0x22..=0x2f => return Err(ProxyHeaderError("its command is neither LOCAL nor PROXY")),
            _ => return Err(ProxyHeaderError("it is not of version 2")),
        };
        let wanted = match (is_local, family) {
            (false, 0x11) => INET,
            (false, 0x21) => INET6,
            // Unspecified, datagrams or Unix sockets; with LOCAL whatever is there does not count.
            (false, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) | (true, _) => 0,
            _ => return Err(ProxyHeaderError("its family of addresses is unknown")),
        };
        if length < wanted {
            return Err(ProxyHeaderError("it is too short for its addresses"));
        }
        if addresses.len() < wanted {
            return Ok(Self::Unfinished(wanted - addresses.len()));
        }
        Ok(Self::Header {
            client: (!is_local).then(|| source(&addresses[..wanted])),
            length: FIXED + wanted,
            rest: length - wanted,
        })
    }
}

/// The first of two addresses, and the first of the two ports behind them.
fn source(addresses: &[u8]) -> Client {
    let (ip, port) = match *addresses {
        [a, b, c, d, _, _, _, _, high, low, _, _] => {
            (Ipv4Addr::new(a, b, c, d).into(), [high, low])
        }
        [.., high, low, _, _] => match addresses.first_chunk::<16>() {
            Some(&octets) => (Ipv6Addr::from(octets).to_canonical(), [high, low]),
            None => return Client::Unknown,
        },
        _ => return Client::Unknown,
    };
    Client::At(SocketAddr::new(ip, u16::from_be_bytes(port)))
}

#[cfg(test)]
mod tests;
