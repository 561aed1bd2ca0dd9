//! What is printed at the start: where the server listens, in addresses that open when they are typed or clicked.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Addresses told for other machines; containers and tunnels give a machine more than anyone would try.
const MOST_ADDRESSES: usize = 8;

/// Where messages are kept.
pub(super) enum Kept<'a> {
    Memory,
    Directory(&'a Path),
    Redis,
}

/// Where people find the page.
#[derive(Debug)]
pub(super) struct Page {
    scheme: &'static str,
    bound: SocketAddr,
    /// For other machines; none where the server is bound to one address.
    pub(super) elsewhere: Vec<String>,
}

impl Page {
    /// The page of a server that is bound there, and speaks TLS or does not.
    pub(super) fn new(bound: SocketAddr, is_tls: bool) -> Self {
        let scheme = if is_tls { "https" } else { "http" };
        let own = if bound.ip().is_unspecified() {
            own_addresses()
        } else {
            Vec::new()
        };
        let elsewhere = reachable(&own, bound.is_ipv4())
            .map(|ip| format!("{scheme}://{}", SocketAddr::new(ip, bound.port())))
            .collect();
        Self {
            scheme,
            bound,
            elsewhere,
        }
    }

    /// Its address on this machine.
    pub(super) fn own(&self) -> String {
        format!("{}://{}", self.scheme, here(self.bound))
    }

    /// The first line of all, which scripts that start on port 0 read. Whoever has closed `out` does not want it.
    pub(super) fn announce(&self, is_open: bool, kept: &Kept<'_>, out: &mut impl Write) {
        let who = match is_open {
            true => "open to everyone, without --secret-file; ",
            false => "",
        };
        let kept = match kept {
            Kept::Memory => "all in memory, without --data".to_owned(),
            Kept::Directory(directory) => format!("kept in {}", directory.display()),
            Kept::Redis => "kept in Redis".to_owned(),
        };
        let _ = writeln!(out, "parlor listening on {} ({who}{kept})", self.own());
    }

    /// The last line, where there are other machines to open the page.
    pub(super) fn announce_elsewhere(&self, out: &mut impl Write) {
        if !self.elsewhere.is_empty() {
            let addresses = self.elsewhere.join(" or ");
            let _ = writeln!(out, "parlor for other machines: {addresses}");
        }
    }
}

/// An address that this machine reaches what is bound there by: `[::]` and `0.0.0.0`, which stand for all, are none.
pub(super) fn here(bound: SocketAddr) -> impl Display {
    if bound.ip().is_unspecified() {
        format!("localhost:{}", bound.port())
    } else {
        bound.to_string()
    }
}

/// The addresses of this machine's interfaces that are up. Where they cannot be listed, none are told.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error: io::Error| {
        log::debug!("cannot list this machine's addresses: {error}");
        Vec::new()
    });
    let up = interfaces.iter().filter(|it| it.is_oper_up());
    up.map(if_addrs::Interface::ip).collect()
}

/// Those of them that others reach and can type, the shorter ones of IPv4 first.
fn reachable(own: &[IpAddr], is_ipv4_only: bool) -> impl Iterator<Item = IpAddr> {
    let are_of = |is_ipv4: bool| own.iter().filter(move |ip| ip.is_ipv4() == is_ipv4);
    are_of(true)
        .chain(are_of(false).filter(move |_| !is_ipv4_only))
        .filter(|ip| is_for_others(**ip))
        .take(MOST_ADDRESSES)
        .copied()
}

/// What is link-local needs the name of an interface behind it, which a browser does not take.
fn is_for_others(ip: IpAddr) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(is_link_local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(bound: &str, is_tls: bool) -> String {
        let mut out = Vec::new();
        let kept = Kept::Directory(Path::new("kept"));
        Page::new(bound.parse().unwrap(), is_tls).announce(false, &kept, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_address_that_is_printed_opens() {
        for (bound, is_tls, address) in [
            ("[::]:8080", false, "http://localhost:8080"),
            ("0.0.0.0:80", true, "https://localhost:80"),
            ("127.0.0.1:8080", true, "https://127.0.0.1:8080"),
            ("[::1]:8080", false, "http://[::1]:8080"),
            ("192.0.2.1:8080", false, "http://192.0.2.1:8080"),
        ] {
            assert_eq!(
                page(bound, is_tls),
                format!("parlor listening on {address} (kept in kept)\n")
            );
        }
    }

    #[test]
    fn bound_to_one_address_there_is_no_other() {
        for bound in ["127.0.0.1:8080", "[::1]:8080", "192.0.2.1:8080"] {
            assert!(
                Page::new(bound.parse().unwrap(), false)
                    .elsewhere
                    .is_empty()
            );
        }
    }

    #[test]
    fn others_are_told_what_they_reach() {
        let own: Vec<IpAddr> = [
            "127.0.0.1",
            "::1",
            "fe80::1",
            "fd00::2",
            "169.254.3.4",
            "192.0.2.2",
            "198.51.100.7",
        ]
        .map(|ip| ip.parse().unwrap())
        .into();
        let told = |is_ipv4_only| -> Vec<String> {
            reachable(&own, is_ipv4_only)
                .map(|ip| ip.to_string())
                .collect()
        };
        assert_eq!(told(false), ["192.0.2.2", "198.51.100.7", "fd00::2"]);
        assert_eq!(told(true), ["192.0.2.2", "198.51.100.7"]);
        let many: Vec<IpAddr> = (0..40).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        assert_eq!(reachable(&many, false).count(), MOST_ADDRESSES);
    }
}
