//! What operators are told of push.

use super::{COUNTER, GAUGE, write_head, write_line};
use crate::core::push::PushFigures;
use crate::core::server::Server;
use crate::core::stream::Stream;

/// A metric: its name, its kind, what it is, and how it is read off.
type Metric = (
    &'static str,
    &'static str,
    &'static str,
    fn(&PushFigures) -> u64,
);

const METRICS: [Metric; 6] = [
    (
        "push_sent_total",
        COUNTER,
        "Messages that push services have taken.",
        |it| it.sent,
    ),
    (
        "push_failed_total",
        COUNTER,
        "Calls to push services that were not answered well.",
        |it| it.failed,
    ),
    (
        "push_dropped_total",
        COUNTER,
        "Messages that are not pushed, because too much waited, for too long, or the service refuses them.",
        |it| it.dropped,
    ),
    (
        "push_removed_total",
        COUNTER,
        "Subscriptions that a push service has said to be over, by 404 or 410.",
        |it| it.removed,
    ),
    ("push_subscriptions", GAUGE, "Push subscriptions.", |it| {
        it.subscriptions as u64
    }),
    (
        "push_queued",
        GAUGE,
        "Messages that wait for push services.",
        |it| it.queued as u64,
    ),
];

impl<S: Stream> Server<S> {
    pub(super) fn write_push_metrics(&self, out: &mut String) {
        let Some(pushing) = &self.pushing else {
            return;
        };
        let figures = pushing.push.figures();
        for (name, kind, help, value) in METRICS {
            write_head(out, name, kind, help);
            write_line(out, format_args!("parlor_{name} {}", value(&figures)));
        }
    }
}
