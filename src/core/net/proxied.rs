//! A socket that may begin with the PROXY header of a trusted proxy, which names the client.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use serde::{Deserialize, Serialize};

use crate::codec::proxy::{Beginning, Client, MAX_READ};
use crate::core::stream::Stream;

/// A socket whose PROXY header, if one comes, is taken off before anything else is read: below TLS, which does not know
/// of it. That of a peer that is not trusted is `plain`, and costs a pointer.
#[derive(Debug)]
pub struct Proxied<S> {
    socket: S,
    /// `None` when no header is, or was, expected.
    header: Option<Box<Header>>,
}

/// What a socket that is handed over is told with: the header, as far as it has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProxiedState(Option<Box<Header>>);

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Header {
    /// What may be a header, as far as it has arrived.
    Awaited {
        #[serde(with = "serde_bytes")]
        bytes: [u8; MAX_READ],
        have: usize,
    },
    /// The rest of a header, which holds nothing that is needed.
    Ending { client: Option<Client>, left: usize },
    /// It was not a header: these bytes are still to be read.
    Other {
        #[serde(with = "serde_bytes")]
        bytes: [u8; MAX_READ],
        from: usize,
        to: usize,
    },
    /// The header has arrived.
    Read { client: Client },
}

impl<S> Proxied<S> {
    /// The socket of a peer that is not trusted.
    pub fn plain(socket: S) -> Self {
        Self {
            socket,
            header: None,
        }
    }

    /// A socket of a trusted proxy.
    pub fn trusted(socket: S) -> Self {
        let header = Header::Awaited {
            bytes: [0; MAX_READ],
            have: 0,
        };
        Self {
            socket,
            header: Some(Box::new(header)),
        }
    }

    /// What is to be told of it beside the socket itself.
    pub fn state(&self) -> ProxiedState {
        ProxiedState(self.header.clone())
    }

    /// The socket that another server had, and of which it has told this.
    pub fn resume(socket: S, state: ProxiedState) -> Self {
        Self {
            socket,
            header: state.0,
        }
    }

    /// The socket itself.
    pub fn get_ref(&self) -> &S {
        &self.socket
    }

    /// The socket itself, to be polled.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.socket
    }
}

impl<S: Read> Proxied<S> {
    /// Takes the header off. `Some` ends this read: with the bytes given, which were not a header.
    ///
    /// Reads until the kernel has no more, and never beyond the header: the poll would not report those bytes again.
    fn take_header(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        while let Some(header) = self.header.as_deref_mut() {
            match header {
                Header::Awaited { bytes, have } => {
                    let beginning = Beginning::parse(&bytes[..*have])
                        .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
                    match beginning {
                        Beginning::Unfinished(more) => {
                            let count = self.socket.read(&mut bytes[*have..*have + more])?;
                            if count == 0 {
                                return Ok(Some(0));
                            }
                            *have += count;
                        }
                        Beginning::Other => {
                            let (bytes, to) = (*bytes, *have);
                            *header = Header::Other { bytes, from: 0, to };
                        }
                        Beginning::Header { client, rest, .. } => {
                            *header = Header::Ending { client, left: rest };
                        }
                    }
                }
                Header::Ending { client, left: 0 } => {
                    self.header = client.map(|client| Box::new(Header::Read { client }));
                }
                Header::Ending { left, .. } => {
                    let mut dropped = [0; 512];
                    let wanted = dropped.len().min(*left);
                    match self.socket.read(&mut dropped[..wanted])? {
                        0 => return Ok(Some(0)),
                        count => *left -= count,
                    }
                }
                Header::Other { bytes, from, to } => {
                    let count = out.len().min(*to - *from);
                    out[..count].copy_from_slice(&bytes[*from..*from + count]);
                    *from += count;
                    if from < to {
                        return Ok(Some(count));
                    }
                    self.header = None;
                    // The kernel may have more, and the poll will not report it again. An error that lasts comes with
                    // the next read.
                    let more = self.socket.read(&mut out[count..]).unwrap_or(0);
                    return Ok(Some(count + more));
                }
                Header::Read { .. } => break,
            }
        }
        Ok(None)
    }
}

impl<S: Read> Read for Proxied<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.take_header(out)? {
            Some(count) => Ok(count),
            None => self.socket.read(out),
        }
    }
}

impl<S: Write> Write for Proxied<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl<S: Stream> Stream for Proxied<S> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket.shutdown_write()
    }

    fn client(&self) -> Option<Client> {
        match self.header.as_deref() {
            Some(Header::Read { client }) => Some(*client),
            _ => None,
        }
    }

    fn local_port(&self) -> Option<u16> {
        self.socket.local_port()
    }

    fn has_more(&self) -> bool {
        self.socket.has_more()
    }

    fn has_unsent(&self) -> bool {
        self.socket.has_unsent()
    }

    fn held_bytes(&self) -> usize {
        self.socket.held_bytes()
    }
}

#[cfg(test)]
mod tests;
