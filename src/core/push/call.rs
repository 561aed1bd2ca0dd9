//! Requests to push services, and what has become of them: values that can go to another thread.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the payload for one receiver is encrypted with (RFC 8291, section 2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// `p256dh`: a point of P-256, uncompressed.
    #[serde(with = "serde_bytes")]
    pub public: [u8; 65],
    /// `auth`: a secret of the receiver.
    #[serde(with = "serde_bytes")]
    pub auth: [u8; 16],
}

/// Who has them reads what is pushed.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// How soon a message is to wake its receiver (RFC 8030, section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// `normal`.
    Normal,
    /// `high`: an alarm, or what is said to one person.
    High,
}

/// A message for a push service: a POST to the address of a subscription, encrypted by whoever makes the call.
#[derive(Clone)]
pub struct PushCall {
    /// Which of all calls.
    pub number: u64,
    /// The address of the subscription, which is a secret (RFC 8030, section 8).
    pub endpoint: Box<str>,
    /// What it is encrypted with.
    pub keys: Keys,
    /// What the receiver reads: JSON.
    pub payload: Box<[u8]>,
    /// Seconds for which the service keeps it: the field `TTL`.
    pub ttl_s: u32,
    /// The field `Urgency`.
    pub urgency: Urgency,
    /// The field `Topic`: it replaces one of the same topic that was not delivered yet. At most 32 characters of the base64url
    /// alphabet.
    pub topic: Box<str>,
}

/// Without the payload: what is said never gets into the log.
impl fmt::Debug for PushCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushCall")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// What has become of a call.
#[derive(Clone, Debug)]
pub struct PushOutcome {
    /// Which of all calls.
    pub number: u64,
    /// The answer.
    pub result: PushResult,
}

/// The answer to a call, if there was one.
#[derive(Clone, Debug)]
pub enum PushResult {
    /// It was answered.
    Answered {
        /// The status code: 201 if it was taken, 404 or 410 if the subscription has ended (RFC 8030, section 7.3).
        status: u16,
        /// Milliseconds for which the service wants to be left alone.
        retry_ms: Option<u64>,
    },
    /// It was not, or not in time, and why.
    Failed(String),
}
