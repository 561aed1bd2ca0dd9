//! `parlor doctor`: what this machine allows, how many connections that makes, and what to change for more.

use std::fmt::{self, Display};
use std::fs;
use std::io::{self, Write as _};

use rustix::process::{Resource, getrlimit};

use super::listener::{BACKLOG, connections_for};
use crate::shell::error::RunError;

/// The kernel's memory for one idle TCP connection in bytes, rounded up: a socket of 2368, and inode, dentry, file and
/// poll entry, by the object sizes in /proc/slabinfo of a Linux 6.
const KERNEL_BYTES_PER_CONNECTION: u64 = 4 << 10;

/// What was found, a line each.
#[derive(Debug)]
struct Report {
    findings: Vec<Finding>,
    connections: u64,
}

#[derive(Debug)]
struct Finding {
    what: &'static str,
    value: String,
    meaning: String,
    /// How many connections this allows, if it limits them.
    connections: Option<u64>,
    /// What to do for more.
    advice: &'static str,
}

/// Looks at the machine and prints what it found.
///
/// # Errors
/// Standard output does not take it.
pub fn print() -> Result<(), RunError> {
    write!(io::stdout(), "{}", examine())
        .map_err(|error| RunError::new("cannot print what was found", error, ""))
}

/// Looks at the machine.
fn examine() -> Report {
    let findings: Vec<Finding> = [
        open_files(),
        memory(),
        tcp_memory(),
        tracking(),
        backlog(),
        client_ports(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let connections = findings
        .iter()
        .filter_map(|finding| finding.connections)
        .min()
        .unwrap_or(0);
    Report {
        findings,
        connections,
    }
}

fn open_files() -> Option<Finding> {
    let limit = getrlimit(Resource::Nofile);
    let show = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let connections = connections_for(limit.maximum.unwrap_or(u64::MAX)) as u64;
    Some(Finding {
        what: "open files",
        value: format!("{} soft, {} hard", show(limit.current), show(limit.maximum)),
        meaning: format!(
            "{connections} connections: parlor raises the soft limit to the hard one by itself"
        ),
        connections: Some(connections),
        advice: "raise the hard limit: LimitNOFILE=1048576 in a systemd unit, --ulimit nofile=1048576 for a container",
    })
}

fn memory() -> Option<Finding> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let bytes = line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10;
    let connections = bytes / KERNEL_BYTES_PER_CONNECTION;
    Some(Finding {
        what: "memory",
        value: format!("{} MiB available", bytes >> 20),
        meaning: format!(
            "{connections} idle connections at 4 KiB each, nearly all of it the kernel's"
        ),
        connections: Some(connections),
        advice: "add memory",
    })
}

fn tcp_memory() -> Option<Finding> {
    let pages: u64 = setting("net/ipv4/tcp_mem")?
        .split_whitespace()
        .nth(2)?
        .parse()
        .ok()?;
    let bytes = pages * rustix::param::page_size() as u64;
    Some(Finding {
        what: "net.ipv4.tcp_mem",
        value: format!("{} MiB", bytes >> 20),
        meaning: "what all sockets may have in their buffers; past that sending stalls".to_owned(),
        connections: None,
        advice: "",
    })
}

fn tracking() -> Option<Finding> {
    let connections: u64 = setting("net/netfilter/nf_conntrack_max")?.parse().ok()?;
    Some(Finding {
        what: "net.netfilter.nf_conntrack_max",
        value: connections.to_string(),
        meaning: "connections that the firewall can follow".to_owned(),
        connections: Some(connections),
        advice: "sysctl -w net.netfilter.nf_conntrack_max=1048576",
    })
}

fn backlog() -> Option<Finding> {
    let length: i32 = setting("net/core/somaxconn")?.parse().ok()?;
    let meaning = if length < BACKLOG {
        format!(
            "fewer than the {BACKLOG} that parlor asks for may wait to be accepted: sysctl -w net.core.somaxconn={BACKLOG}"
        )
    } else {
        "enough of them may wait to be accepted".to_owned()
    };
    Some(Finding {
        what: "net.core.somaxconn",
        value: length.to_string(),
        meaning,
        connections: None,
        advice: "",
    })
}

fn client_ports() -> Option<Finding> {
    let range = setting("net/ipv4/ip_local_port_range")?;
    let (first, last) = range.split_once(char::is_whitespace)?;
    let count = last
        .trim()
        .parse::<u32>()
        .ok()?
        .checked_sub(first.parse().ok()?)?
        + 1;
    Some(Finding {
        what: "net.ipv4.ip_local_port_range",
        value: range.replace(char::is_whitespace, " to "),
        meaning: format!(
            "{count} connections from one address, such as a proxy's or a load generator's; servers need none"
        ),
        connections: None,
        advice: "",
    })
}

fn setting(name: &str) -> Option<String> {
    Some(
        fs::read_to_string(format!("/proc/sys/{name}"))
            .ok()?
            .trim()
            .to_owned(),
    )
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding {
            what,
            value,
            meaning,
            ..
        } in &self.findings
        {
            writeln!(f, "{what:<30} {value}\n{:<30} {meaning}", "")?;
        }
        writeln!(f, "\nThat makes {} connections.", self.connections)?;
        let narrowest = self
            .findings
            .iter()
            .find(|finding| finding.connections == Some(self.connections));
        match narrowest {
            Some(Finding { what, advice, .. }) => {
                writeln!(f, "For more, {what} comes first: {advice}.")
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_limit_decides() {
        let finding = |what, connections, advice| Finding {
            what,
            value: "1".to_owned(),
            meaning: "something".to_owned(),
            connections,
            advice,
        };
        let report = Report {
            findings: vec![
                finding("doors", Some(7), "build doors"),
                finding("chairs", Some(3), "buy chairs"),
            ],
            connections: 3,
        };
        let text = report.to_string();
        assert!(text.contains("That makes 3 connections."), "{text}");
        assert!(
            text.ends_with("For more, chairs comes first: buy chairs.\n"),
            "{text}"
        );
    }

    #[test]
    fn this_machine_allows_some() {
        assert!(examine().connections > 0);
    }
}
