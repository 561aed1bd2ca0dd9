//! What operators are told of webhooks: each by its place in the settings, because its address may be a secret.

use super::{COUNTER, GAUGE, write_family};
use crate::core::hooks::Figures;
use crate::core::server::Server;
use crate::core::stream::Stream;

/// A metric: its name, its kind, what it is, and how it is read off.
type Metric = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Figures) -> u64,
);

const METRICS: [Metric; 6] = [
    (
        "webhook_delivered_total",
        COUNTER,
        "Requests to a webhook that were answered well, by its place in the settings.",
        |it| it.delivered,
    ),
    (
        "webhook_failed_total",
        COUNTER,
        "Calls of a webhook that were not; each request is tried again.",
        |it| it.failed,
    ),
    (
        "webhook_dropped_total",
        COUNTER,
        "Events that a webhook is not told of, because too much waited for it, or for too long.",
        |it| it.dropped,
    ),
    (
        "webhook_queued",
        GAUGE,
        "Requests that wait for a webhook.",
        |it| it.queued as u64,
    ),
    ("webhook_queued_bytes", GAUGE, "Bytes of them.", |it| {
        it.queued_bytes as u64
    }),
    (
        "webhook_off",
        GAUGE,
        "1 if a webhook is switched off, because it was dead for 24 hours, or has answered 410.",
        |it| u64::from(it.is_off),
    ),
];

impl<S: Stream> Server<S> {
    pub(super) fn write_hook_metrics(&self, out: &mut String) {
        let Some(hooks) = &self.hooks else {
            return;
        };
        for (name, kind, help, value) in METRICS {
            let values = hooks.figures().map(|it| value(&it));
            write_family(out, (name, kind, help), "webhook", (1..).zip(values));
        }
    }
}
