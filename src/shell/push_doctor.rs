//! `parlor doctor --push`: a test push to one subscription, and what the push service answers, in words.

use std::fmt;
use std::io::{self, Write as _};

use clap::Args;

use super::error::RunError;
use super::outgoing::Answer;
use super::push::Means;
use crate::core::push::{Keys, PushCall, Urgency, origin, parse_auth, parse_public};
use crate::settings::Settings;

/// Characters of what a push service says that are shown: enough for its reason.
const SHOWN_CHARACTERS: usize = 300;

/// Bytes of it that are read: the longest characters of UTF-8 have four.
const READ_BYTES: u64 = 4 * SHOWN_CHARACTERS as u64;

/// What the receiver reads.
const PAYLOAD: &[u8] = br#"{"web_push":8030,"notification":{"title":"Test","body":"parlor doctor --push","tag":"parlor-doctor","silent":false},"parlor":{"kind":"message"}}"#;

/// Which subscription is tried.
#[derive(Args, Clone)]
pub struct PushTestArgs {
    /// Address of a subscription to which a test push is sent, with the settings of the server
    #[arg(long, value_name = "ENDPOINT", requires_all = ["p256dh", "auth"], conflicts_with = "redis")]
    push: Option<String>,

    /// Its public key, in base64url, as the browser gives it
    #[arg(long, value_name = "KEY", requires = "push")]
    p256dh: Option<String>,

    /// Its secret, in base64url, as the browser gives it
    #[arg(
        long,
        value_name = "SECRET",
        requires = "push",
        allow_hyphen_values = true
    )]
    auth: Option<String>,
}

/// All of it is secret.
impl fmt::Debug for PushTestArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushTestArgs")
    }
}

/// Sends a push, and prints what is answered.
///
/// # Errors
/// The key of the settings or those of the subscription are no good, the push was not taken, or standard output takes nothing.
pub fn test(settings: &Settings, args: &PushTestArgs) -> Result<(), RunError> {
    let call = call(args).map_err(|why| error(why.to_owned(), ""))?;
    let service = origin(&call.endpoint).map_err(|why| error(why.to_owned(), ""))?;
    if settings.push.push_contact.is_none() {
        let advice = "name --push-contact, or --config, as the server has it";
        return Err(error("push is off".to_owned(), advice));
    }
    let means = Means::new(settings)?.ok_or_else(|| {
        let advice = "the server makes push.pem in --data when it starts; or name --push-key";
        error("there is no key for push yet".to_owned(), advice)
    })?;
    let (answer, text) = means.ask(&call, READ_BYTES).map_err(|why| {
        let advice = "check the address and the network; for a certificate that the system does not trust name --webhook-ca";
        error(format!("{service} has not taken it: {why}"), advice)
    })?;
    let mut said = format!(
        "{service} answers {}: {}.\n",
        answer.status,
        meaning(&answer)
    );
    let text = printable(&text);
    if !text.is_empty() {
        said += &format!("It says: {text}\n");
    }
    io::stdout()
        .write_all(said.as_bytes())
        .map_err(|error| RunError::new("cannot print what was answered", error, ""))?;
    match is_taken(answer.status) {
        true => Ok(()),
        false => Err(error("the test push was not taken".to_owned(), "")),
    }
}

fn error(what: String, advice: &'static str) -> RunError {
    RunError {
        what,
        cause: None,
        advice,
    }
}

fn call(args: &PushTestArgs) -> Result<PushCall, &'static str> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Ok(PushCall {
        number: 0,
        endpoint: text(&args.push).into(),
        keys: Keys {
            public: parse_public(&text(&args.p256dh))?,
            auth: parse_auth(&text(&args.auth))?,
        },
        payload: PAYLOAD.into(),
        ttl_s: 60,
        urgency: Urgency::High,
        topic: "".into(),
    })
}

fn is_taken(status: u16) -> bool {
    (200..300).contains(&status)
}

/// What an answer means, and what to do (RFC 8030, RFC 8292).
fn meaning(answer: &Answer) -> String {
    let text = match answer.status {
        status if is_taken(status) => {
            "taken; the notification should be there now. If it is not, look whether the device is on and allows notifications"
        }
        400 => {
            "it does not understand the push; check that endpoint, p256dh and auth are of one subscription, or subscribe again"
        }
        401 | 403 => {
            "it refuses the signature; the subscription was made with another key than --push-key (then subscribe again), --push-contact is no address that it accepts, or the clock of this machine is wrong"
        }
        404 | 410 => "the subscription is over; subscribe again",
        413 => {
            "the push is too large for it, though a test push is small; look whether a proxy refuses it"
        }
        429 => return busy("it is sent too many pushes", answer),
        500.. => return busy("it has a fault of its own", answer),
        300..400 => "it has moved, and redirects are not followed; subscribe again",
        _ => "it does not take the push; check that the address is that of a push service",
    };
    text.to_owned()
}

fn busy(what: &str, answer: &Answer) -> String {
    match answer.retry_ms {
        Some(ms) => format!("{what}; try again in {} seconds", ms / 1_000),
        None => format!("{what}; try again later"),
    }
}

/// The beginning of a text, without what a terminal would obey.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_shown = |it: &char| it.is_ascii_graphic() || *it == ' ' || it.is_alphanumeric();
    let text = words.join(" ");
    text.chars()
        .filter(is_shown)
        .take(SHOWN_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_says_what_to_do() {
        for (status, retry_ms, said) in [
            (201, None, "should be there now"),
            (302, None, "redirects"),
            (400, None, "of one subscription"),
            (401, None, "another key"),
            (403, None, "--push-contact"),
            (404, None, "subscribe again"),
            (410, None, "subscribe again"),
            (413, None, "too large"),
            (418, None, "address"),
            (429, Some(30_000), "in 30 seconds"),
            (429, None, "later"),
            (503, Some(5_000), "in 5 seconds"),
        ] {
            let text = meaning(&Answer { status, retry_ms });
            assert!(text.contains(said), "{status}: {text}");
        }
    }

    #[test]
    fn what_is_said_is_printable_and_short() {
        assert_eq!(printable(b"bad\x1b[31m\r\n  token \xff"), "bad[31m token ");
        assert_eq!(printable(&[b'a'; 1_000]).len(), SHOWN_CHARACTERS);
    }

    #[test]
    fn keys_that_are_none_say_which() {
        let public = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        for (p256dh, auth, said) in [("x", "x", "p256dh"), (public, "x", "auth")] {
            let args = PushTestArgs {
                push: Some("https://push.example/1".to_owned()),
                p256dh: Some(p256dh.to_owned()),
                auth: Some(auth.to_owned()),
            };
            assert!(call(&args).err().unwrap().starts_with(said));
        }
    }
}
