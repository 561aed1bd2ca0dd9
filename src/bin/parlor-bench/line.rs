//! A connection to the server, within TLS or not.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What a client reads from and writes to.
#[derive(Debug)]
pub(crate) enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// How lines become secure: every handshake is a full one.
#[derive(Clone, Debug)]
pub(crate) struct Security {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl Security {
    /// For a server of that name, whose certificate is among those in `authorities` or signed by one of them.
    pub(crate) fn new(authorities: &Path, host: &str) -> Result<Security, String> {
        let unfit =
            |error: &dyn std::fmt::Display| format!("--ca {}: {error}", authorities.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authorities).map_err(|it| unfit(&it))? {
            let certificate = certificate.map_err(|it| unfit(&it))?;
            roots.add(certificate).map_err(|it| unfit(&it))?;
        }
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|it| unfit(&it))?
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Security {
            config: Arc::new(config),
            server: ServerName::try_from(host.to_owned()).map_err(|it| format!("{host}: {it}"))?,
        })
    }
}

impl Line {
    /// A line over a socket that is connecting; the handshake goes on as it is read and written.
    pub(crate) fn new(socket: TcpStream, security: Option<&Security>) -> io::Result<Line> {
        let Some(Security { config, server }) = security else {
            return Ok(Line::Plain(socket));
        };
        let session =
            ClientConnection::new(Arc::clone(config), server.clone()).map_err(io::Error::other)?;
        Ok(Line::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Line::Plain(socket) => socket,
            Line::Tls(stream) => &stream.sock,
        }
    }

    pub(crate) fn socket_mut(&mut self) -> &mut TcpStream {
        match self {
            Line::Plain(socket) => socket,
            Line::Tls(stream) => &mut stream.sock,
        }
    }

    /// Whether a read that has not filled its space says that there is no more.
    pub(crate) fn tells_by_short_reads(&self) -> bool {
        matches!(self, Line::Plain(_))
    }
}

impl Read for Line {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.read(space),
            Line::Tls(stream) => stream.read(space),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.write(bytes),
            Line::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(_) => Ok(()),
            Line::Tls(stream) => stream.flush(),
        }
    }
}
