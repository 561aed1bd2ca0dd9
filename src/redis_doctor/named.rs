//! What `--redis` names.

use std::str::FromStr;

use crate::settings::RedisUrl;

/// Where a Sentinel listens where nothing else is said.
const SENTINEL_PORT: u16 = 26_379;

/// A Redis, or a Sentinel and the name of a master that it knows: `redis+sentinel://host:port/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub(super) url: RedisUrl,
    pub(super) master: Option<String>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("redis+sentinel://") else {
            let url = text.parse()?;
            return Ok(Self { url, master: None });
        };
        let expected = || "expected redis+sentinel://host:port/name-of-the-master".to_owned();
        let (place, path) = rest.split_once('/').ok_or_else(expected)?;
        let (master, db) = path.split_once('/').unwrap_or((path, ""));
        if master.is_empty() {
            return Err(expected());
        }
        let (_, host) = place.rsplit_once('@').unwrap_or(("", place));
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, it)| !it.ends_with(']'));
        let mut url: RedisUrl = format!("redis://{place}/{db}").parse()?;
        if !has_port {
            url.port = SENTINEL_PORT;
        }
        let master = Some(master.to_owned());
        Ok(Self { url, master })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_is_named_with_its_master() {
        for (text, shown, master) in [
            ("redis://a:7/2", "redis://a:7/2", None),
            ("redis+sentinel://a:1/mine/2", "redis://a:1/2", Some("mine")),
            ("redis+sentinel://a/mine", "redis://a:26379", Some("mine")),
            (
                "redis+sentinel://x:y@[::1]/mine",
                "redis://x:y@[::1]:26379",
                Some("mine"),
            ),
        ] {
            let named: Named = text.parse().unwrap();
            assert_eq!(
                (&*named.url.to_string(), named.master.as_deref()),
                (shown, master)
            );
        }
        for bad in [
            "",
            "a",
            "redis+sentinel://a",
            "redis+sentinel://a/",
            "redis+sentinel:///x",
        ] {
            assert!(bad.parse::<Named>().is_err(), "{bad}");
        }
    }
}
