//! The address of a Redis.

use std::fmt::{self, Display};
use std::str::FromStr;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is expected.
const EXPECTED: &str = "expected redis://host, or with more of rediss://user:password@host:port/database; \
    what has other letters as in a URL, such as %40 for @";

/// Where Redis listens where nothing else is said.
const PORT: u16 = 6379;

/// Where a Redis is, and as whom it is spoken to: `redis://user:password@host:6379/0`. Its text has the password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// By TLS.
    pub is_tls: bool,
    /// A user of the access list; `None` for the default one.
    pub user: Option<Box<str>>,
    /// The password.
    pub password: Option<Box<str>>,
    /// A name or an address, of IPv6 without brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// The number of the database.
    pub db: u32,
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| EXPECTED.to_owned())
    }
}

fn parse(text: &str) -> Option<RedisUrl> {
    let (scheme, rest) = text.split_once("://")?;
    let is_tls = match scheme {
        "redis" => false,
        "rediss" => true,
        _ => return None,
    };
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, rest),
    };
    let (user, password) = match login.map(|login| login.split_once(':')) {
        None => (None, None),
        Some(None) => return None,
        Some(Some((user, password))) => (Some(decode(user)?), Some(decode(password)?)),
    };
    let (address, db) = place.split_once('/').unwrap_or((place, ""));
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (address, PORT),
    };
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_plain = |text: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        !text.is_empty() && text.bytes().all(is_allowed)
    };
    let host = bare.unwrap_or(host);
    if !is_plain(host) || (bare.is_none() && host.contains(':')) {
        return None;
    }
    Some(RedisUrl {
        is_tls,
        user: user.filter(|user| !user.is_empty()),
        password,
        host: host.into(),
        port,
        db: if db.is_empty() { 0 } else { db.parse().ok()? },
    })
}

fn decode(text: &str) -> Option<Box<str>> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    Some(text.into())
}

/// With the password, as it is given.
impl Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        write!(f, "{scheme}://")?;
        if let Some(password) = &self.password {
            let user = self.user.as_deref().unwrap_or_default();
            let [user, password] = [user, password].map(encode);
            write!(f, "{user}:{password}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port)?,
            false => write!(f, "{}:{}", self.host, self.port)?,
        }
        match self.db {
            0 => Ok(()),
            db => write!(f, "/{db}"),
        }
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Without the login.
impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_login(&self.to_string()))
    }
}

/// What people may see of the value of a setting: a login in an address is left out, even if the address is no good.
pub fn without_login(value: &str) -> String {
    let parts = value.split_once("://");
    let parts = parts.and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)));
    match parts {
        Some((scheme, place)) => format!("{scheme}://***@{place}"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written() {
        for (text, shown) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://10.0.0.1:7000/3", "redis://10.0.0.1:7000/3"),
            ("rediss://[::1]", "rediss://[::1]:6379"),
            ("redis://:p%40ss@db", "redis://:p%40ss@db:6379"),
            ("redis://ana:secret@db:1/0", "redis://ana:secret@db:1"),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.to_string().parse(), Ok(url.clone()));
            assert!(!format!("{url:?}").contains("secret"));
        }
        let url: RedisUrl = "redis://:p%40ss@db".parse().unwrap();
        assert_eq!(url.password.as_deref(), Some("p@ss"));
    }

    #[test]
    fn what_is_no_address_is_told_what_is_expected() {
        for wrong in [
            "localhost:6379",
            "http://localhost",
            "redis://",
            "redis://::1",
            "redis://host:port",
            "redis://host:70000",
            "redis://host/x",
            "redis://ana@host",
            "redis://a b",
        ] {
            let error = wrong.parse::<RedisUrl>().unwrap_err();
            assert!(error.contains("redis://host"), "{wrong}");
        }
    }
}
