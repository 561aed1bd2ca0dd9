//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};
use log::LevelFilter;

use super::keys::KeyFiles;
use super::token::TokenArgs;
use crate::core::parse_origin;
use crate::limits::Limits;

/// A chat-room and live-broadcast server in one small binary.
///
/// Open the page it names, or connect a WebSocket client to /ws: everyone is in the room.
#[derive(Debug, Parser)]
#[command(
    name = "parlor",
    version,
    args_override_self = true,
    args_conflicts_with_subcommands = true
)]
pub struct Config {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Port to listen on; 0 for any that is free
    #[arg(short, long, default_value_t = 8080)]
    pub port: u16,

    /// Address to listen on [default: all, IPv6 and IPv4]
    #[arg(short, long, value_name = "ADDRESS", value_parser = parse_address)]
    pub bind: Option<IpAddr>,

    /// Port for lines of text, so that `nc localhost 7000` is in the lobby [default: none]
    #[arg(long, value_name = "PORT")]
    pub line_port: Option<u16>,

    /// Port for datagrams, `room text` each, so that what can only spray UDP is heard [default: none]
    #[arg(long, value_name = "PORT")]
    pub udp_port: Option<u16>,

    /// Address to receive datagrams on [default: where --bind says, else loopback alone]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, requires = "udp_port")]
    pub udp_bind: Option<IpAddr>,

    /// Whose tokens are taken.
    #[command(flatten)]
    pub keys: KeyFiles,

    /// File with the certificate in PEM format, and those it needs behind it: the port speaks https and wss
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// File with the certificate's private key in PEM format
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Let other processes listen on the same port, so that the kernel spreads connections over them
    #[arg(long)]
    pub reuse_port: bool,

    /// Let pages of this origin come in, such as `https://app.example`; `*` for all; may be repeated
    #[arg(long, value_name = "ORIGIN", value_parser = parse_origin)]
    pub allow_origin: Vec<String>,

    /// Answer to this name, such as `chat.example`, beside addresses and localhost, and to no other; may be repeated
    #[arg(long, value_name = "NAME", value_parser = parse_host)]
    pub allow_host: Vec<String>,

    /// Log more: each connection, and with -vv what helps to find faults
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Log errors only
    #[arg(short, long)]
    pub quiet: bool,

    /// What the server allows, and for how long it waits.
    #[command(flatten)]
    pub limits: Limits,
}

/// What the binary does besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say how many connections this machine allows, and what to change for more
    Doctor,
    /// Make a token with the secret that the server has
    Token(TokenArgs),
}

impl Config {
    /// What is logged unless `RUST_LOG` says otherwise.
    ///
    /// Not each connection: a line costs as much as a message, and a terminal that is not read stops the loop.
    pub fn log_level(&self) -> LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::Error,
            (false, 0) => LevelFilter::Warn,
            (false, 1) => LevelFilter::Info,
            (false, _) => LevelFilter::Debug,
        }
    }
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address, such as 127.0.0.1 or ::1; the port goes to --port".to_owned()
    })
}

/// A name as a browser puts it into the Host, but for the port, which may be any.
fn parse_host(text: &str) -> Result<String, String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.parse::<IpAddr>().is_ok() {
        return Err("addresses are always answered to; expected a name".to_owned());
    }
    if text.is_empty() || !text.chars().all(is_letter) {
        let expected = "expected a name without scheme, port and wildcards, such as chat.example; other letters as xn--…";
        return Err(expected.to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn defaults() {
        let config = Config::try_parse_from(["parlor"]).unwrap();
        assert_eq!(
            (config.port, config.bind, config.log_level()),
            (8080, None, LevelFilter::Warn)
        );
        assert_eq!(config.limits.ping_interval.ms(), Some(25_000));
        assert!(Config::try_parse_from(["parlor", "-q", "-v"]).is_err());
        assert!(Config::try_parse_from(["parlor", "--bind", "nowhere"]).is_err());
        for half in ["--tls-cert", "--tls-key"] {
            assert!(Config::try_parse_from(["parlor", half, "file.pem"]).is_err());
        }
    }
}
