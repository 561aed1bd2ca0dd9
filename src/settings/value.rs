//! How values are written, wherever they come from: on the command line, in the environment and in the file.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use log::LevelFilter;

use super::{Kind, Unit};
use crate::codec::http::origin;
use crate::limits::MIN_PACE;

/// The value of a setting: one, one or none, or a list.
pub(super) trait Value: Sized {
    const KIND: Kind;
    const IS_LIST: bool = false;

    fn parse(texts: &[String], unit: &Unit) -> Result<Self, String>;
    fn show(&self) -> Vec<String>;
}

/// A single value.
pub(super) trait Scalar: Sized {
    const KIND: Kind;

    fn parse(text: &str, unit: &Unit) -> Result<Self, String>;
    fn show(&self) -> String;
}

impl<T: Scalar> Value for T {
    const KIND: Kind = T::KIND;

    fn parse(texts: &[String], unit: &Unit) -> Result<Self, String> {
        match texts {
            [text] => T::parse(text, unit),
            _ => Err("expected one value".to_owned()),
        }
    }

    fn show(&self) -> Vec<String> {
        vec![T::show(self)]
    }
}

impl<T: Scalar> Value for Option<T> {
    const KIND: Kind = T::KIND;

    fn parse(texts: &[String], unit: &Unit) -> Result<Self, String> {
        <T as Value>::parse(texts, unit).map(Some)
    }

    fn show(&self) -> Vec<String> {
        self.iter().map(T::show).collect()
    }
}

impl<T: Scalar> Value for Vec<T> {
    const KIND: Kind = T::KIND;
    const IS_LIST: bool = true;

    fn parse(texts: &[String], unit: &Unit) -> Result<Self, String> {
        texts.iter().map(|text| T::parse(text, unit)).collect()
    }

    fn show(&self) -> Vec<String> {
        self.iter().map(T::show).collect()
    }
}

macro_rules! whole_number {
    ($($type:ty)+) => { $(
        impl Scalar for $type {
            const KIND: Kind = Kind::Whole;

            fn parse(text: &str, unit: &Unit) -> Result<Self, String> {
                let number = text.parse::<u64>().ok();
                let within = number.filter(|it| (unit.least..=unit.most).contains(it));
                let number = within.and_then(|it| Self::try_from(it).ok());
                number.ok_or_else(|| expected_whole(unit))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+ };
}
whole_number!(u64 usize u32 u16);

fn expected_whole(unit: &Unit) -> String {
    let Unit { least, most, .. } = *unit;
    let what = match unit.name {
        "BYTES" => "bytes, a whole number",
        "PORT" => "a port, a whole number",
        _ => "a whole number",
    };
    if most == usize::MAX as u64 {
        format!("expected {what}, at least {least}")
    } else {
        format!("expected {what} from {least} to {most}")
    }
}

impl Scalar for bool {
    const KIND: Kind = Kind::Switch;

    fn parse(text: &str, _: &Unit) -> Result<Self, String> {
        match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err("expected true or false".to_owned()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A value that says itself how it is written.
macro_rules! text {
    ($($type:ty: $parse:expr;)+) => { $(
        impl Scalar for $type {
            const KIND: Kind = Kind::Text;

            fn parse(text: &str, _: &Unit) -> Result<Self, String> {
                $parse(text)
            }

            fn show(&self) -> String {
                shown(self)
            }
        }
    )+ };
}
text! {
    IpAddr: parse_address;
    IpNet: parse_network;
    Origin: |text| origin::parse(text).map(Self);
    HostName: parse_host;
    Level: parse_level;
    KeepWhen: parse_keep_when;
    OnDiskError: parse_on_disk_error;
    super::OverflowRule: str::parse;
    super::RedisUrl: str::parse;
    super::HookUrl: str::parse;
    super::HookEvent: str::parse;
    super::PushContact: str::parse;
}

fn shown(value: &impl Display) -> String {
    value.to_string()
}

impl Scalar for String {
    const KIND: Kind = Kind::Text;

    fn parse(text: &str, _: &Unit) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Scalar for PathBuf {
    const KIND: Kind = Kind::Text;

    fn parse(text: &str, _: &Unit) -> Result<Self, String> {
        match text {
            "" => Err("expected the path of a file".to_owned()),
            path => Ok(path.into()),
        }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address, such as 127.0.0.1 or ::1; the port goes to --port".to_owned()
    })
}

/// A network, or one address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse()).map_err(|_| {
        "expected an address or a network, such as 127.0.0.1, 10.0.0.0/8 or 2001:db8::/32"
            .to_owned()
    })
}

/// An origin as browsers send it, or `*` for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// A name as a browser puts it into the Host, but for the port, which may be any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn parse_host(text: &str) -> Result<HostName, String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.parse::<IpAddr>().is_ok() {
        return Err("addresses are always answered to; expected a name".to_owned());
    }
    if text.is_empty() || !text.chars().all(is_letter) {
        let expected = "expected a name without scheme, port and wildcards, such as chat.example; other letters as xn--…";
        return Err(expected.to_owned());
    }
    Ok(HostName(text.to_owned()))
}

/// What is logged at the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub LevelFilter);

fn parse_level(text: &str) -> Result<Level, String> {
    let level = text.parse().ok().filter(|level| *level != LevelFilter::Off);
    level
        .map(Level)
        .ok_or_else(|| "expected error, warn, info or debug".to_owned())
}

impl Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.as_str().to_ascii_lowercase())
    }
}

/// A wait in milliseconds that may be endless; written in seconds, `0` for endless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(Option<u64>);

impl Timeout {
    /// An endless wait.
    pub const NEVER: Self = Self(None);

    pub(super) const fn of_seconds(seconds: u64) -> Self {
        Self(Some(seconds * 1000))
    }

    /// The deadline of a wait that begins at `now_ms`; `u64::MAX` for never.
    pub fn after(self, now_ms: u64) -> u64 {
        self.0.map_or(u64::MAX, |ms| now_ms.saturating_add(ms))
    }

    /// The time that is so long before `now_ms`; `None` for an endless wait.
    pub fn before(self, now_ms: u64) -> Option<u64> {
        self.0.map(|ms| now_ms.saturating_sub(ms))
    }

    /// Bytes that have to move in this time; see `MIN_PACE`.
    pub fn least_bytes(self) -> u64 {
        self.0
            .map_or(0, |ms| (ms.saturating_mul(MIN_PACE) / 1000).max(1))
    }

    /// The wait in milliseconds, unless it is endless.
    pub fn ms(self) -> Option<u64> {
        self.0
    }
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds: f64 = text
            .parse()
            .map_err(|_| "expected seconds, such as 25 or 0.5".to_owned())?;
        if !(0.0..=1e9).contains(&seconds) {
            return Err("expected seconds from 0 (never) to 1000000000".to_owned());
        }
        let ms = (seconds * 1000.0).ceil() as u64;
        Ok(Self((ms > 0).then_some(ms)))
    }
}

impl Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.unwrap_or(0) as f64 / 1000.0)
    }
}

impl Scalar for Timeout {
    const KIND: Kind = Kind::Number;

    fn parse(text: &str, _: &Unit) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> String {
        shown(self)
    }
}

/// When a message that is kept is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepWhen {
    /// Once it is on the disk.
    Commit,
    /// At once; it is written behind.
    Memory,
}

fn parse_keep_when(text: &str) -> Result<KeepWhen, String> {
    match text {
        "commit" => Ok(KeepWhen::Commit),
        "memory" => Ok(KeepWhen::Memory),
        _ => Err("expected commit or memory".to_owned()),
    }
}

impl Display for KeepWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit => "commit",
            Self::Memory => "memory",
        })
    }
}

/// What happens when the disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDiskError {
    /// The server ends.
    Stop,
    /// It goes on, and keeps nothing.
    Memory,
}

fn parse_on_disk_error(text: &str) -> Result<OnDiskError, String> {
    match text {
        "stop" => Ok(OnDiskError::Stop),
        "memory" => Ok(OnDiskError::Memory),
        _ => Err("expected stop or memory".to_owned()),
    }
}

impl Display for OnDiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "stop",
            Self::Memory => "memory",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_milliseconds() {
        let parse = |text: &str| text.parse::<Timeout>();
        assert_eq!(parse("0.25").unwrap().after(1000), 1250);
        assert_eq!(parse("0").unwrap().after(1000), u64::MAX);
        assert_eq!(parse("0.0001").unwrap().ms(), Some(1));
        for bad in ["", "x", "-1", "inf", "NaN"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn how_much_has_to_move() {
        let least = |text: &str| text.parse::<Timeout>().unwrap().least_bytes();
        assert_eq!((least("10"), least("0.001"), least("0")), (5_000, 1, 0));
    }

    #[test]
    fn a_network_or_an_address() {
        let text = |text: &str| parse_network(text).map(|network| network.to_string());
        assert_eq!(text("10.1.2.3/8").as_deref(), Ok("10.1.2.3/8"));
        assert_eq!(text("127.0.0.1").as_deref(), Ok("127.0.0.1/32"));
        assert_eq!(text("::1").as_deref(), Ok("::1/128"));
        for bad in ["", "localhost", "10.0.0.0/33", "10.0.0/8", "10.0.0.1:80"] {
            let error = text(bad).unwrap_err();
            assert!(error.starts_with("expected an address"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_number_out_of_its_range_is_told_the_range() {
        let unit = Unit::new("BYTES", 64, 128);
        assert_eq!(<usize as Scalar>::parse("64", &unit), Ok(64));
        for bad in ["63", "129", "-1", "", "1e2", "1_00", "99999999999999999999"] {
            let error = <usize as Scalar>::parse(bad, &unit).unwrap_err();
            assert_eq!(
                error, "expected bytes, a whole number from 64 to 128",
                "{bad}"
            );
        }
    }
}
