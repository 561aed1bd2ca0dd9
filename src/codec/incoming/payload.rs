//! The JSON of a payload, and what is wrong with it.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

/// What is wrong with a payload, for whoever has set up the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingError(pub String);

impl fmt::Display for IncomingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The JSON of a body: the body itself, or the field `payload` of a form.
pub(super) fn json_of(body: &[u8]) -> Result<String, IncomingError> {
    let json = text_of(body)?;
    // An array would be read by the places of its values.
    match json.trim_start().starts_with('[') {
        true => Err(IncomingError("the payload is no JSON object".to_owned())),
        false => Ok(json),
    }
}

fn text_of(body: &[u8]) -> Result<String, IncomingError> {
    let Ok(text) = str::from_utf8(body) else {
        return Err(IncomingError("the payload is not UTF-8".to_owned()));
    };
    let Some(field) = text.strip_prefix("payload=") else {
        return Ok(text.to_owned());
    };
    let field = field
        .split('&')
        .next()
        .unwrap_or_default()
        .replace('+', " ");
    let decoded = percent_decode_str(&field).decode_utf8();
    let decoded =
        decoded.map_err(|_| IncomingError("the field payload is not UTF-8".to_owned()))?;
    Ok(decoded.into_owned())
}

/// Reads the JSON of a payload.
pub(super) fn parse<T: DeserializeOwned>(whose: &str, json: &str) -> Result<T, IncomingError> {
    serde_json::from_str(json)
        .map_err(|error| IncomingError(format!("this is no payload of {whose}: {error}")))
}
