//! Why a call has failed, in words for the log.

use std::io::ErrorKind;

use ureq::Error;

/// What an error of the client means to whoever runs the server. `timeout_ms`: how long the call could take.
pub(in crate::shell) fn of(error: &Error, timeout_ms: u64) -> String {
    match error {
        Error::Other(why) => why.to_string(),
        Error::Timeout(_) => format!("no answer within {} seconds", timeout_ms / 1_000),
        Error::HostNotFound => "its host is not found".to_owned(),
        Error::ConnectionFailed => "it cannot be connected to".to_owned(),
        Error::Protocol(why) => format!("its answer is no HTTP: {why}"),
        Error::LargeResponseHeader(..) => "the fields of its answer are too long".to_owned(),
        Error::Rustls(why) => format!("TLS: {why}"),
        Error::Tls(why) => format!("TLS: {why}"),
        Error::Io(why) => match why.kind() {
            ErrorKind::UnexpectedEof => "it has closed the connection without an answer".to_owned(),
            _ => why.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_names_of_kinds_of_errors_are_left_out() {
        for (error, text) in [
            (Error::Other("why".into()), "why"),
            (
                Error::Timeout(ureq::Timeout::Global),
                "no answer within 15 seconds",
            ),
            (Error::Io(io::Error::other("why")), "why"),
            (
                Error::Io(ErrorKind::UnexpectedEof.into()),
                "it has closed the connection without an answer",
            ),
        ] {
            assert_eq!(of(&error, 15_000), text);
        }
    }
}
