//! The socket in the data directory by which `parlor import` hands lines to the server that has the directory.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mio::net::UnixListener;
use mio::{Interest, Poll, Registry, Token};
use socket2::{Domain, SockAddr, Socket, Type};

use super::accepting::Accepting;
use super::transport::Transport;
use crate::core::{EndReason, Now, Server};

/// Imports that may wait to be accepted.
const BACKLOG: i32 = 16;

/// Whoever imports is on this machine, and has no address.
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The socket, which is there as long as this is.
pub(super) struct ImportSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Which file it is: another server may have put its own in its place.
    file: Option<(u64, u64)>,
    accepting: Accepting,
}

impl ImportSocket {
    /// Where it is in a data directory.
    pub(super) fn path_in(directory: &Path) -> PathBuf {
        directory.join("import.sock")
    }

    /// Listens in a directory that this process has locked, in place of whatever one before it has left. Nobody but this
    /// user may connect.
    ///
    /// # Errors
    /// It cannot be made there; the path may be too long for that.
    pub(super) fn listen(directory: &Path) -> io::Result<Self> {
        let path = Self::path_in(directory);
        let address = SockAddr::unix(&path)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address)?;
        // Before it listens: nobody can connect until then.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        socket.listen(BACKLOG)?;
        Ok(Self {
            listener: UnixListener::from_std(socket.into()),
            file: identity(&path),
            path,
            accepting: Accepting::default(),
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    /// Someone is waiting.
    pub(super) fn on_waiting(&mut self) {
        self.accepting.on_waiting();
    }

    pub(super) fn may_accept(&self, server: &Server<Transport>, now: Now) -> bool {
        self.accepting.may_accept(server, now)
    }

    pub(super) fn retry_ms(&self) -> Option<u64> {
        self.accepting.retry_ms()
    }

    /// Takes in those who wait.
    pub(super) fn accept(&mut self, server: &mut Server<Transport>, poll: &Poll, now: Now) {
        if !self.may_accept(server, now) {
            return;
        }
        self.accepting = Accepting::Ready;
        while server.has_room() && server.budget().is_left() {
            match self.listener.accept() {
                Ok((socket, _)) => take_in(server, poll, Transport::local(socket), now),
                Err(error) if self.accepting.on_error(&error, server, now) => {}
                Err(_) => return,
            }
        }
    }
}

/// The next server finds nothing stale.
impl Drop for ImportSocket {
    fn drop(&mut self) {
        if self.file.is_some() && identity(&self.path) == self.file {
            // One that is left does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn take_in(server: &mut Server<Transport>, poll: &Poll, transport: Transport, now: Now) {
    let Ok(index) = server.admit_import(transport, HERE, now) else {
        return;
    };
    let Some(transport) = server.socket_mut(index) else {
        return;
    };
    let interest = Interest::READABLE | Interest::WRITABLE;
    let registered = poll
        .registry()
        .register(transport.source(), Token(index), interest);
    if let Err(error) = registered {
        log::warn!("cannot poll an import: {error}");
        server.abandon(index, EndReason::CannotBePolled, now);
    }
}

/// The device and the number of a file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let name = format!("parlor-socket-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn a_stale_socket_is_replaced_and_none_is_left() {
        let directory = directory("stale");
        let path = ImportSocket::path_in(&directory);
        // As a server leaves it that is killed.
        std::mem::forget(ImportSocket::listen(&directory).unwrap());
        let socket = ImportSocket::listen(&directory).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(UnixStream::connect(&path).is_ok());
        drop(socket);
        assert!(!path.exists());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_socket_of_another_server_is_left_alone() {
        let directory = directory("other");
        let path = ImportSocket::path_in(&directory);
        let before = ImportSocket::listen(&directory).unwrap();
        let after = ImportSocket::listen(&directory).unwrap();
        drop(before);
        assert!(UnixStream::connect(&path).is_ok());
        drop(after);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_path_can_be_too_long_for_a_socket() {
        let directory = directory("long").join("x".repeat(120));
        let error = ImportSocket::listen(&directory).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        fs::remove_dir_all(directory.parent().unwrap()).unwrap();
    }
}
