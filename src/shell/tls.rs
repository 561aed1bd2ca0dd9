//! The certificate and its key, read at the start and again on SIGHUP, and TLS for those who come in.

mod buffers;
mod certificate;
mod session;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use certificate::Files;
pub(super) use stream::TlsStream;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, ServerConfig};

use crate::core::Stream;
use crate::shell::RunError;
use crate::shell::tls::buffers::Buffers;

/// What takes connections in that speak TLS.
pub(super) struct Tls {
    files: Files,
    config: Arc<ServerConfig>,
    buffers: Rc<RefCell<Buffers>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// They are not there, or not what they should be, or do not belong together.
    pub(super) fn new(files: Files) -> Result<Self, RunError> {
        Ok(Self {
            config: load(&files)?,
            files,
            buffers: Rc::new(RefCell::new(Buffers::new())),
        })
    }

    /// Reads the files again. Those who are here do not notice; who comes next gets the new certificate, or the old one if
    /// the files are no good now.
    ///
    /// # Errors
    /// The same.
    pub(super) fn reload(&mut self) -> Result<(), RunError> {
        self.config = load(&self.files)?;
        Ok(())
    }

    /// Awaits a handshake on a new connection.
    ///
    /// # Errors
    /// None that come from the peer, which has not been heard yet.
    pub(super) fn accept<S: Stream>(&self, socket: S) -> io::Result<TlsStream<S>> {
        let session =
            UnbufferedServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        Ok(TlsStream::new(socket, session, Rc::clone(&self.buffers)))
    }
}

/// What TLS is spoken with from now on.
fn load(files: &Files) -> Result<Arc<ServerConfig>, RunError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certified = certificate::load(files, &provider)?;
    configure(provider, certified)
        .map_err(|error| RunError::new("cannot set TLS up", io::Error::other(error), ""))
}

fn configure(
    provider: Arc<CryptoProvider>,
    certified: CertifiedKey,
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Who comes back brings what is needed to go on in a ticket, so that nothing is kept for them here. Its keys change
    // every six hours, and with the certificate.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}
