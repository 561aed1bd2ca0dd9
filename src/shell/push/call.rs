//! How a call is made: encrypted, signed, and sent as RFC 8030 has it.

use std::time::{SystemTime, UNIX_EPOCH};

use ureq::http::Response;
use ureq::{Agent, Body};

use super::signer::Signer;
use crate::core::push::{PushCall, PushResult, Urgency, encrypt};
use crate::limits::PUSH_TIMEOUT_MS;
use crate::shell::outgoing::{Answer, words};

/// What the server is told of an answer.
pub(super) fn result(answer: Result<Answer, String>) -> PushResult {
    match answer {
        Ok(answer) => PushResult::Answered {
            status: answer.status,
            retry_ms: answer.retry_ms,
        },
        Err(why) => PushResult::Failed(why),
    }
}

/// Makes a call. What is answered is to be read.
///
/// # Errors
/// There was no answer, or there could be no request, and why.
pub(super) fn send(
    agent: &Agent,
    signer: &Signer,
    call: &PushCall,
) -> Result<Response<Body>, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    let authorization = signer.authorization(&call.endpoint, now)?;
    let message = encrypt(&call.keys.public, &call.keys.auth, &call.payload)?;
    let urgency = match call.urgency {
        Urgency::Normal => "normal",
        Urgency::High => "high",
    };
    let mut request = agent
        .post(&*call.endpoint)
        .header("content-type", "application/octet-stream")
        .header("content-encoding", "aes128gcm")
        .header("ttl", call.ttl_s)
        .header("urgency", urgency)
        .header("authorization", authorization);
    if !call.topic.is_empty() {
        request = request.header("topic", &*call.topic);
    }
    let response = request.send(&*message);
    response.map_err(|error| words::of(&error, PUSH_TIMEOUT_MS))
}
