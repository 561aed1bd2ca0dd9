//! The host names that requests may be for. A page at another name that resolves to this machine must not count as
//! ours.

use crate::codec::http::host::Host;

/// Names of this machine, and those that `--allow-host` lists.
#[derive(Debug, Default)]
pub struct Hosts {
    own: Vec<String>,
    allowed: Vec<String>,
}

impl Hosts {
    /// The names that this machine gives itself, and those that were listed. If any is listed, requests for others are
    /// refused, whoever sends them.
    pub fn new(own: Vec<String>, allowed: Vec<String>) -> Self {
        Self { own, allowed }
    }

    /// Whether no foreign name server can make this host resolve to here: an address, `localhost`, or this machine's
    /// own name.
    pub(in crate::core) fn is_ours(&self, host: Host<'_>) -> bool {
        host.is_fixed() || self.own.iter().any(|name| host.is_name(name))
    }

    /// Whether a request for this host is answered. `is_direct`: it comes from a program on this machine, which may be
    /// a browser that a foreign name has led here.
    pub(in crate::core) fn admits(&self, host: Host<'_>, is_direct: bool) -> bool {
        let may_be_any = self.allowed.is_empty() && !is_direct;
        may_be_any || self.is_ours(host) || self.allowed.iter().any(|name| host.is_name(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::http::host::Authority;

    fn admits(allowed: &[&str], host: &str, is_direct: bool) -> bool {
        let allowed = allowed.iter().map(|&name| name.to_owned()).collect();
        let hosts = Hosts::new(vec!["box".to_owned()], allowed);
        hosts.admits(Authority::parse(host).unwrap().host, is_direct)
    }

    #[test]
    fn a_browser_on_this_machine_asks_for_what_cannot_be_rebound() {
        for host in [
            "127.0.0.1:8080",
            "[::1]",
            "localhost",
            "tea.localhost:80",
            "BOX.:8080",
        ] {
            assert!(admits(&[], host, true), "{host}");
        }
        for host in [
            "evil.example:8080",
            "box.evil.example",
            "localhost.evil.example",
            "127.1",
        ] {
            assert!(!admits(&[], host, true), "{host}");
            assert!(admits(&[], host, false), "{host}");
        }
    }

    #[test]
    fn what_is_listed_limits_everyone() {
        for is_direct in [true, false] {
            for host in ["Chat.example:8080", "localhost", "192.0.2.1", "box"] {
                assert!(admits(&["chat.example"], host, is_direct), "{host}");
            }
            for host in ["evil.example", "chat.example.evil", "a.chat.example"] {
                assert!(!admits(&["chat.example"], host, is_direct), "{host}");
            }
        }
    }
}
