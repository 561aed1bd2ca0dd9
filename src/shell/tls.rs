//! The certificate and its key, read at the start and again on SIGHUP, and TLS for those who come in.

mod buffers;
mod certificate;
mod session;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use stream::TlsStream;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, ServerConfig};

use self::certificate::Files;
use crate::core::Stream;
use crate::settings::Listen;
use crate::shell::error::RunError;
use crate::shell::tls::buffers::Buffers;

/// What takes connections in that speak TLS.
pub(super) struct Tls {
    identity: Identity,
    buffers: Rc<RefCell<Buffers>>,
}

/// The certificate and its key, ready to be shown.
pub(super) struct Identity(Arc<ServerConfig>);

impl Identity {
    /// Reads the files that the settings name; `None` if they name none, and the port does not speak TLS.
    ///
    /// # Errors
    /// They are not there, or not what they should be, or do not belong together.
    pub(super) fn read(listen: &Listen) -> Result<Option<Self>, RunError> {
        let (Some(certificate), Some(key)) = (&listen.tls_cert, &listen.tls_key) else {
            return Ok(None);
        };
        let files = Files {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        load(&files).map(Self).map(Some)
    }
}

impl Tls {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            buffers: Rc::new(RefCell::new(Buffers::new())),
        }
    }

    /// Who comes next is shown this. Those who are here do not notice.
    pub(super) fn set_identity(&mut self, identity: Identity) {
        self.identity = identity;
    }

    /// Awaits a handshake on a new connection.
    ///
    /// # Errors
    /// None that come from the peer, which has not been heard yet.
    pub(super) fn accept<S: Stream>(&self, socket: S) -> io::Result<TlsStream<S>> {
        let session = UnbufferedServerConnection::new(Arc::clone(&self.identity.0))
            .map_err(io::Error::other)?;
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
