//! A certificate authority made for a test, and clients that trust it.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs, process};

use data_encoding::BASE64;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::Server;

/// The name that certificates are for.
pub(crate) const HOST: &str = "parlor.test";

/// A connection to the server within TLS.
pub(crate) type TlsClient = StreamOwned<ClientConnection, TcpStream>;

/// A folder with a certificate and its key, gone when the test is over, and who signed them.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// One with a good certificate. `test` names the folder.
    pub(crate) fn new(test: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = env::temp_dir().join(format!("parlor-{test}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let authority = Authority {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
            folder,
        };
        authority.issue(HOST, |_| {});
        authority
    }

    /// Puts a new certificate for `name` and its key in place of the old ones.
    pub(crate) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.certificate(), pem("CERTIFICATE", certificate.der())).unwrap();
        fs::write(self.key(), pem("PRIVATE KEY", &key.serialize_der())).unwrap();
    }

    /// The same with one that has expired.
    pub(crate) fn issue_expired(&self) {
        self.issue(HOST, |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 3, 4);
        });
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    /// The file with the authority's own certificate, which clients trust.
    pub(crate) fn root(&self) -> PathBuf {
        let path = self.folder.join("root.pem");
        fs::write(&path, pem("CERTIFICATE", self.issuer.der())).unwrap();
        path
    }

    /// The flags that make a server use them.
    pub(crate) fn flags(&self) -> [String; 4] {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (certificate, key) = (text(&self.certificate()), text(&self.key()));
        ["--tls-cert".into(), certificate, "--tls-key".into(), key]
    }

    /// A server with them, and with these flags.
    pub(crate) fn serve(&self, flags: &[&str]) -> Server {
        let own = self.flags();
        let all: Vec<&str> = own
            .iter()
            .map(String::as_str)
            .chain(flags.iter().copied())
            .collect();
        Server::start(&all)
    }

    /// How clients connect that trust this authority.
    pub(crate) fn client_config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// A connection by any version, after the handshake.
    pub(crate) fn connect(&self, server: &Server) -> TlsClient {
        connect(server.tcp(), HOST, self.client_config(&[&TLS12, &TLS13])).expect("a handshake")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A connection over `stream` to whom must be `name`, after the handshake.
pub(crate) fn connect(
    mut stream: TcpStream,
    name: &'static str,
    config: ClientConfig,
) -> std::io::Result<TlsClient> {
    let name = ServerName::try_from(name).unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(session, stream))
}

/// The certificate that the server has shown.
pub(crate) fn shown(client: &TlsClient) -> CertificateDer<'static> {
    client.conn.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

/// Bytes in PEM format (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    let mut lines = vec![format!("-----BEGIN {label}-----")];
    lines.extend(der.chunks(48).map(|line| BASE64.encode(line)));
    lines.push(format!("-----END {label}-----\n"));
    lines.join("\n")
}
