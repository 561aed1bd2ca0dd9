//! The address of a Redis, or of a Sentinel that knows where it is.

use std::fmt::{self, Display};
use std::str::FromStr;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is expected.
const EXPECTED: &str = "expected redis://host, or with more of rediss://user:password@host:port/database; \
    for a Sentinel redis+sentinel://host/name-of-the-master; what has other letters as in a URL, such as %40 for @";

/// Where Redis listens where nothing else is said.
const PORT: u16 = 6379;

/// The same of a Sentinel.
const SENTINEL_PORT: u16 = 26_379;

/// Where a Redis is, and as whom it is spoken to: `redis://user:password@host:6379/0`; or where a Sentinel is that knows it:
/// `redis+sentinel://user:password@host:26379/name/0`. Its text has the password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// By TLS.
    pub is_tls: bool,
    /// The name of the master that the Sentinel knows; `None`: it is Redis itself.
    pub master: Option<Box<str>>,
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

impl RedisUrl {
    /// What the addresses of one Redis have to have in common and have not; `None` if all is well.
    pub fn difference(all: &[Self]) -> Option<&'static str> {
        let (first, others) = all.split_first()?;
        let differs =
            |is_other: fn(&Self, &Self) -> bool| others.iter().any(|it| is_other(first, it));
        if differs(|one, other| one.master != other.master) {
            Some("the master that is named")
        } else if differs(|one, other| one.is_tls != other.is_tls) {
            Some("whether it is TLS")
        } else if differs(|one, other| (&one.user, &one.password) != (&other.user, &other.password))
        {
            Some("the login")
        } else if differs(|one, other| one.db != other.db) {
            Some("the number of the database")
        } else {
            None
        }
    }
}

fn parse(text: &str) -> Option<RedisUrl> {
    let (scheme, rest) = text.split_once("://")?;
    let (is_tls, is_sentinel) = match scheme {
        "redis" => (false, false),
        "rediss" => (true, false),
        "redis+sentinel" => (false, true),
        "rediss+sentinel" => (true, true),
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
    let (address, path) = place.split_once('/').unwrap_or((place, ""));
    let (master, db) = match is_sentinel {
        true => {
            let (name, db) = path.split_once('/').unwrap_or((path, ""));
            (Some(decode(name).filter(|name| !name.is_empty())?), db)
        }
        false => (None, path),
    };
    let port = if is_sentinel { SENTINEL_PORT } else { PORT };
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (address, port),
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
        master,
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
        let kind = self.master.as_ref().map_or("", |_| "+sentinel");
        write!(f, "{scheme}{kind}://")?;
        if let Some(password) = &self.password {
            let user = self.user.as_deref().unwrap_or_default();
            let [user, password] = [user, password].map(encode);
            write!(f, "{user}:{password}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port)?,
            false => write!(f, "{}:{}", self.host, self.port)?,
        }
        if let Some(master) = &self.master {
            write!(f, "/{}", encode(master))?;
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
        // It may be an address whose beginning was forgotten.
        None => match value.rsplit_once('@') {
            Some((_, place)) => format!("***@{place}"),
            None => value.to_owned(),
        },
    }
}

/// What people may see of the address of a webhook: what is behind the host is often a secret.
pub fn without_path(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']);
    &url[..end.map_or(url.len(), |at| host + at)]
}

/// What people may see of the address of a provider of keys: a query may have a secret.
pub fn without_query(url: &str) -> String {
    match url.split_once(['?', '#']) {
        Some((before, _)) => format!("{before}?***"),
        None => url.to_owned(),
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
            ("redis+sentinel://a:1/mine/2", "redis+sentinel://a:1/mine/2"),
            (
                "rediss+sentinel://ana:secret@[::1]/my%20own",
                "rediss+sentinel://ana:secret@[::1]:26379/my%20own",
            ),
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
    fn people_see_no_secret_of_an_address() {
        for (value, shown) in [
            ("redis://default:secret@host:6379", "redis://***@host:6379"),
            ("default:secret@host:6379", "***@host:6379"),
            ("redis://host", "redis://host"),
            ("host", "host"),
        ] {
            assert_eq!(without_login(value), shown);
        }
        for url in ["https://host/secret", "https://host?secret", "https://host"] {
            assert_eq!(without_path(url), "https://host");
        }
        assert_eq!(without_query("https://host/keys"), "https://host/keys");
        assert_eq!(
            without_query("https://host/keys?a=b?c#d"),
            "https://host/keys?***"
        );
    }

    #[test]
    fn addresses_of_one_redis_differ_in_nothing_else() {
        let difference = |texts: &[&str]| {
            let urls: Vec<RedisUrl> = texts.iter().map(|it| it.parse().unwrap()).collect();
            RedisUrl::difference(&urls)
        };
        assert_eq!(difference(&["redis://a", "redis://b:1"]), None);
        let sentinels = ["redis+sentinel://a/x", "redis+sentinel://b:1/x"];
        assert_eq!(difference(&sentinels), None);
        for (other, what) in [
            ("redis+sentinel://b/x", "the master that is named"),
            ("rediss://b", "whether it is TLS"),
            ("redis://:p@b", "the login"),
            ("redis://b/1", "the number of the database"),
        ] {
            assert_eq!(difference(&["redis://a", other]), Some(what));
        }
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
            "redis+sentinel://a",
            "redis+sentinel://a/",
            "redis+sentinel:///x",
            "redis+sentinel://a/x/y",
        ] {
            let error = wrong.parse::<RedisUrl>().unwrap_err();
            assert!(error.contains("redis://host"), "{wrong}");
        }
    }
}
