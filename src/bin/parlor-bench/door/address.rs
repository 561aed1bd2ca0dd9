//! Rooms by their URLs: a room's name is the last part of the path.

use percent_encoding::percent_decode_str;
use tungstenite::http::Uri;
use tungstenite::http::uri::Authority;

/// What a room's URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// As it stands in the URL.
    pub(crate) encoded: String,
    pub(crate) name: String,
    /// What stands before it.
    pub(crate) folder: String,
}

impl Address {
    /// `None` where the path ends without a name.
    pub(crate) fn of(uri: &Uri) -> Option<Address> {
        let (folder, encoded) = uri.path().rsplit_once('/')?;
        let name = percent_decode_str(encoded).decode_utf8_lossy().into_owned();
        (!name.is_empty()).then(|| Address {
            encoded: encoded.to_owned(),
            name,
            folder: folder.to_owned(),
        })
    }
}

/// The same host, and this there. What stands before it in a URL, a name and a password, is left out.
pub(crate) fn at(uri: &Uri, path: &str) -> Result<Uri, String> {
    let bad = |error: &dyn std::fmt::Display| format!("{uri}: {error}");
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().map_err(|error| bad(&error))?);
    let authority = uri.authority().map_or("", Authority::as_str);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    parts.authority = Some(host.parse().map_err(|error| bad(&error))?);
    Uri::from_parts(parts).map_err(|error| bad(&error))
}

/// The URL of another room, named after that of a URL.
pub(crate) fn named_after(uri: &Uri, suffix: &str) -> Result<Uri, String> {
    let query = uri.query().map(|query| format!("?{query}"));
    let path = format!("{}{suffix}{}", uri.path(), query.unwrap_or_default());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).map_err(|error| format!("{uri}: {error}"))
}

/// The user's name and password in a URL.
pub(crate) fn credentials(uri: &Uri) -> Option<(String, String)> {
    let (user, _) = uri.authority()?.as_str().rsplit_once('@')?;
    let (name, password) = user.split_once(':')?;
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decoded(name), decoded(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_the_last_part_of_the_path() {
        let tea = Address::of(&Uri::from_static("ws://localhost:1/ws/t%20a?token=x")).unwrap();
        assert_eq!(
            (&*tea.name, &*tea.encoded, &*tea.folder),
            ("t a", "t%20a", "/ws")
        );
        for without in ["ws://localhost:1", "ws://localhost:1/ws/"] {
            assert_eq!(Address::of(&Uri::from_static(without)), None, "{without}");
        }
    }

    #[test]
    fn other_rooms_are_named_after_it() {
        let uri = Uri::from_static("ws://localhost:1/ws/t%20a?token=x");
        let beside = named_after(&uri, "-beside").unwrap();
        assert_eq!(beside, "ws://localhost:1/ws/t%20a-beside?token=x");
        assert_eq!(Address::of(&beside).unwrap().name, "t a-beside");
    }

    #[test]
    fn a_secret_stays_out_of_the_request() {
        let uri = Uri::from_static("ws://key:s%40@localhost:1/bench");
        assert_eq!(credentials(&uri), Some(("key".into(), "s@".into())));
        assert_eq!(at(&uri, "/app?a=b").unwrap(), "ws://localhost:1/app?a=b");
        assert_eq!(credentials(&Uri::from_static("ws://localhost:1/a")), None);
    }
}
