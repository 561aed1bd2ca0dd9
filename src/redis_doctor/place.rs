//! The keys and the channel of one examination: its own, so that no room is touched.

/// A part of what a node uses, on one Redis.
#[derive(Debug)]
pub(super) struct Place {
    /// A hash tag that this Redis is responsible for.
    tag: String,
    /// Of this examination alone.
    number: u32,
}

impl Place {
    pub(super) fn new(tag: &str) -> Self {
        Self {
            tag: tag.to_owned(),
            number: std::process::id(),
        }
    }

    /// A key for this.
    pub(super) fn key(&self, kind: &str) -> String {
        format!("parlor:{{{}}}:doctor:{}:{kind}", self.tag, self.number)
    }

    /// The channel.
    pub(super) fn channel(&self) -> String {
        self.key("channel")
    }
}
