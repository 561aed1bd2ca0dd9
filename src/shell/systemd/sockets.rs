//! The sockets that systemd passes to the server (sd_listen_fds(3)): those of socket units, which replace what the settings
//! say, and those that an earlier process of the server has put into the descriptor store, which follow the settings.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use sd_notify::NotifyState;
use socket2::{Domain, Socket, Type};

use crate::settings::Listen;
use crate::shell::error::RunError;

/// Before the name of a socket in the descriptor store, so that it is told from one of a socket unit.
const STORED: &str = "stored-";
/// How long systemd may take to close what it stores.
const BARRIER: Duration = Duration::from_secs(5);

const WHAT_NAMES_MEAN: &str = "FileDescriptorName= is \"http\" or \"lines\" for a ListenStream=, \"datagrams\" for \
                               a ListenDatagram=, or not set";

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shell) enum Purpose {
    Http,
    Lines,
    Datagrams,
}

impl Purpose {
    /// That of this name.
    pub(in crate::shell) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    const ALL: [Self; 3] = [Self::Http, Self::Lines, Self::Datagrams];

    /// Its FileDescriptorName=.
    pub(in crate::shell) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Lines => "lines",
            Self::Datagrams => "datagrams",
        }
    }

    fn name_in_store(self) -> String {
        format!("{STORED}{}", self.name())
    }

    /// What the socket of a unit is for, by its name, or by what it is where it has none.
    fn of(name: &str, socket: &Socket) -> Result<Self, RunError> {
        let found = socket.r#type().ok();
        // The name of a unit stands for none; "unknown" is what sd_listen_fds_with_names(3) makes of none.
        let is_nameless = name.is_empty() || name == "unknown" || name.ends_with(".socket");
        let purpose = match Self::ALL.into_iter().find(|it| it.name() == name) {
            Some(purpose) => purpose,
            None if !is_nameless => {
                return Err(refusal(name, "has an unknown name", WHAT_NAMES_MEAN));
            }
            None if found == Some(Type::DGRAM) => Self::Datagrams,
            None => Self::Http,
        };
        match purpose.fault_of(socket) {
            None => Ok(purpose),
            Some((fault, advice)) => Err(refusal(name, fault, advice)),
        }
    }

    /// Why a socket is no good for this, and what to do.
    fn fault_of(self, socket: &Socket) -> Option<(&'static str, &'static str)> {
        let (Ok(found), Ok(address)) = (socket.r#type(), socket.local_addr()) else {
            return Some(("is no socket", "pass only sockets"));
        };
        let is_internet = matches!(address.domain(), Domain::IPV4 | Domain::IPV6);
        match (self, found) {
            _ if !is_internet => Some(("has no IP address", "give it a port, not a path")),
            (Self::Datagrams, Type::DGRAM) => None,
            (Self::Datagrams, _) => Some(("is for no datagrams", "use ListenDatagram=")),
            (_, Type::STREAM) if socket.is_listener().unwrap_or(false) => None,
            (_, Type::STREAM) => Some(("does not listen", "use Accept=no")),
            _ => Some(("is for no streams", "use ListenStream=")),
        }
    }

    /// Whether a socket is bound to where the settings want one for this.
    fn is_bound_as_set(self, socket: &Socket, listen: &Listen) -> bool {
        const ALL: [IpAddr; 2] = [
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ];
        const LOOPBACK: [IpAddr; 2] = [
            IpAddr::V6(Ipv6Addr::LOCALHOST),
            IpAddr::V4(Ipv4Addr::LOCALHOST),
        ];
        let (port, ip, unset) = match self {
            Self::Http => (Some(listen.port), listen.bind, ALL),
            Self::Lines => (listen.line_port, listen.bind, ALL),
            Self::Datagrams => (listen.udp_port, listen.udp_bind.or(listen.bind), LOOPBACK),
        };
        let address = socket.local_addr().ok().and_then(|it| it.as_socket());
        let (Some(port), Some(address)) = (port, address) else {
            return false;
        };
        let is_there = ip.map_or(unset.contains(&address.ip()), |ip| ip == address.ip());
        let is_shared = socket.reuse_port().is_ok_and(|it| it == listen.reuse_port);
        is_there && is_shared && (port == 0 || port == address.port())
    }
}

/// The sockets that were there before the process.
#[derive(Default)]
pub(in crate::shell) struct Sockets {
    /// At most one each for HTTP and for lines.
    sockets: Vec<(Purpose, Socket)>,
}

impl Sockets {
    /// Takes what systemd has passed to this process. Called once, before another descriptor is opened.
    ///
    /// # Errors
    /// A socket of a unit that the server has no use for.
    pub(in crate::shell) fn inherited(listen: &Listen) -> Result<Self, RunError> {
        let passed = passed().map_err(|error| {
            let advice = "start the server by systemd, or without LISTEN_FDS and LISTEN_FDNAMES";
            RunError::new("cannot take the sockets that systemd passes", error, advice)
        })?;
        let passed = passed
            .into_iter()
            .map(|(descriptor, name)| (name, own(descriptor)));
        let (stored, given): (Vec<_>, Vec<_>) =
            passed.partition(|(name, _)| name.starts_with(STORED));
        let mut found = Self::default();
        for (name, socket) in given {
            found.add(&name, socket)?;
        }
        found.restore(stored, listen)?;
        Ok(found)
    }

    /// Those that another process of the server hands over.
    pub(in crate::shell) fn handed_over(
        sockets: impl IntoIterator<Item = (Purpose, OwnedFd)>,
    ) -> Self {
        let sockets = sockets.into_iter();
        Self {
            sockets: sockets.map(|(it, socket)| (it, socket.into())).collect(),
        }
    }

    fn add(&mut self, name: &str, socket: Socket) -> Result<(), RunError> {
        let purpose = Purpose::of(name, &socket)?;
        if purpose != Purpose::Datagrams && self.has(purpose) {
            let fault = format!("is the second one for {}", purpose.name());
            return Err(refusal(name, &fault, WHAT_NAMES_MEAN));
        }
        self.sockets.push((purpose, socket));
        Ok(())
    }

    /// Adds what is still bound as the settings say, and has systemd close the rest.
    fn restore(&mut self, stored: Vec<(String, Socket)>, listen: &Listen) -> Result<(), RunError> {
        let mut rest = stored;
        for purpose in Purpose::ALL {
            let name = purpose.name_in_store();
            let is_wanted = |socket| purpose.is_bound_as_set(socket, listen);
            let all_are_wanted = rest
                .iter()
                .all(|(it, socket)| *it != name || is_wanted(socket));
            if all_are_wanted && !self.has(purpose) {
                let wanted = rest.extract_if(.., |(it, _)| *it == name);
                self.sockets
                    .extend(wanted.map(|(_, socket)| (purpose, socket)));
            }
        }
        let mut names: Vec<String> = rest.into_iter().map(|(name, _)| name).collect();
        names.dedup();
        forget(&names).map_err(|error| {
            let advice = "stop the service and start it, which empties the descriptor store";
            RunError::new("cannot have systemd close old sockets", error, advice)
        })
    }

    fn has(&self, purpose: Purpose) -> bool {
        self.sockets.iter().any(|(it, _)| *it == purpose)
    }

    /// Those that are for this.
    pub(in crate::shell) fn take(&mut self, purpose: Purpose) -> impl Iterator<Item = Socket> {
        let taken = self.sockets.extract_if(.., move |(it, _)| *it == purpose);
        taken.map(|(_, socket)| socket)
    }
}

/// Has systemd keep a socket for the next process of the server, so that those who connect meanwhile wait.
pub(in crate::shell) fn store(purpose: Purpose, socket: &impl AsFd) {
    let name = purpose.name_in_store();
    let states = [NotifyState::FdStore, NotifyState::FdName(&name)];
    super::report(sd_notify::notify_with_fds(&states, &[socket.as_fd()]));
}

/// Has systemd close what it stores under these names, and waits until it has: until then their ports are taken.
fn forget(names: &[String]) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    for name in names {
        sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)])?;
    }
    // What sd_notify_barrier(3) does: systemd closes the other end when it has done what it was told before.
    let (mut here, there) = UnixStream::pair()?;
    sd_notify::notify_with_fds(&[NotifyState::Custom("BARRIER=1")], &[there.as_fd()])?;
    drop(there);
    here.set_read_timeout(Some(BARRIER))?;
    match here.read(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
        ended => ended.map(drop),
    }
}

/// The descriptors that were passed to this process, with their names.
fn passed() -> io::Result<Vec<(RawFd, String)>> {
    // Then names are those of what was passed to the process that has started this one.
    if sd_notify::listen_fds()?.len() == 0 {
        return Ok(Vec::new());
    }
    Ok(sd_notify::listen_fds_with_names()?.collect())
}

fn refusal(name: &str, fault: &str, advice: &'static str) -> RunError {
    RunError {
        what: format!("the socket {name:?} that systemd passes {fault}"),
        cause: None,
        advice,
    }
}

#[expect(unsafe_code, reason = "a descriptor comes as a number")]
fn own(descriptor: RawFd) -> Socket {
    // SAFETY: LISTEN_PID says that this open descriptor was passed to this process for it to own, and it is asked for once,
    // before another one is opened, so that nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }.into()
}
