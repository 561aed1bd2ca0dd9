//! Latencies and counts, over the whole run and per interval.

use hdrhistogram::Histogram;

/// Longest latency told apart; a longer one counts as this.
const MAX_LATENCY_US: u64 = 600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Latencies in microseconds.
pub(crate) type Latencies = Histogram<u64>;

/// An empty set of them.
pub(crate) fn no_latencies() -> Latencies {
    Histogram::new_with_bounds(1, MAX_LATENCY_US, SIGNIFICANT_DIGITS).expect("bounds are valid")
}

/// A stretch of the run, for the plot.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    /// Where it ends, in seconds from the begin of the measuring.
    pub(crate) end_s: f64,
    pub(crate) length_s: f64,
    pub(crate) deliveries: u64,
    /// p50, p90, p99, p99.9 and the maximum, in microseconds; none without a delivery.
    pub(crate) latency_us: Option<[u64; 5]>,
    pub(crate) server_resident_bytes: Option<u64>,
}

/// Latencies, of which as many as were the same in a row are recorded at once. Those of one read and one burst often are.
#[derive(Debug)]
struct Batch {
    latencies: Latencies,
    same_us: u64,
    same_count: u64,
}

impl Batch {
    fn new() -> Batch {
        Batch {
            latencies: no_latencies(),
            same_us: 0,
            same_count: 0,
        }
    }

    #[inline]
    fn add(&mut self, latency_us: u64) {
        if latency_us != self.same_us {
            self.record_same();
            self.same_us = latency_us;
        }
        self.same_count += 1;
    }

    fn record_same(&mut self) {
        // Recording a value no times would still move the minimum and the maximum.
        if self.same_count > 0 {
            self.latencies
                .saturating_record_n(self.same_us, self.same_count);
            self.same_count = 0;
        }
    }
}

/// What the connections to one of several nodes got.
#[derive(Debug)]
struct Share {
    deliveries: u64,
    batch: Batch,
}

/// Counts deliveries. Latency is that of the messages sent while it measures, however late they come.
#[derive(Debug)]
pub(crate) struct Recorder {
    begin_ns: u64,
    end_ns: u64,
    interval_began_ns: u64,
    interval_deliveries: u64,
    current: Batch,
    /// By node, if there are several.
    shares: Vec<Share>,
    pub(crate) total: Latencies,
    /// All deliveries since the start, to every kind of connection, warm-up included.
    pub(crate) deliveries: u64,
    pub(crate) intervals: Vec<Interval>,
}

impl Recorder {
    /// For so many nodes.
    pub(crate) fn new(nodes: usize) -> Recorder {
        let share = || Share {
            deliveries: 0,
            batch: Batch::new(),
        };
        Recorder {
            begin_ns: u64::MAX,
            end_ns: u64::MAX,
            interval_began_ns: 0,
            interval_deliveries: 0,
            current: Batch::new(),
            shares: (0..nodes).filter(|_| nodes > 1).map(|_| share()).collect(),
            total: no_latencies(),
            deliveries: 0,
            intervals: Vec::new(),
        }
    }

    /// The warm-up is over.
    pub(crate) fn begin(&mut self, now_ns: u64) {
        self.end_ns = u64::MAX;
        (
            self.begin_ns,
            self.interval_began_ns,
            self.interval_deliveries,
        ) = (now_ns, now_ns, self.deliveries);
    }

    /// The load is over; what is still under way counts when it comes.
    pub(crate) fn end(&mut self, now_ns: u64) {
        self.end_ns = now_ns;
    }

    /// A message of `sent_ns` has come to a receiver at that node that reads all the time.
    #[inline]
    pub(crate) fn delivered(&mut self, node: usize, sent_ns: u64, now_ns: u64) {
        self.delivered_aside(node);
        if sent_ns >= self.begin_ns && sent_ns < self.end_ns {
            let latency_us = now_ns.saturating_sub(sent_ns) / 1_000;
            self.current.add(latency_us);
            if let Some(share) = self.shares.get_mut(node) {
                share.batch.add(latency_us);
            }
        }
    }

    /// A delivery whose latency says nothing, to a connection that comes and goes.
    #[inline]
    pub(crate) fn delivered_aside(&mut self, node: usize) {
        self.deliveries += 1;
        if let Some(share) = self.shares.get_mut(node) {
            share.deliveries += 1;
        }
    }

    /// By node, if there are several: all deliveries since the start.
    pub(crate) fn node_deliveries(&self) -> Vec<u64> {
        self.shares.iter().map(|share| share.deliveries).collect()
    }

    /// By node, if there are several: the latencies.
    pub(crate) fn take_node_latencies(&mut self) -> Vec<Latencies> {
        let shares = std::mem::take(&mut self.shares).into_iter();
        shares.map(|share| share.batch.latencies).collect()
    }

    /// Closes the current interval.
    pub(crate) fn cut(&mut self, now_ns: u64, server_resident_bytes: Option<u64>) {
        self.current.record_same();
        self.intervals.push(Interval {
            end_s: (now_ns - self.begin_ns) as f64 / 1e9,
            length_s: (now_ns - self.interval_began_ns) as f64 / 1e9,
            deliveries: self.deliveries - self.interval_deliveries,
            latency_us: (!self.current.latencies.is_empty())
                .then(|| percentiles(&self.current.latencies)),
            server_resident_bytes,
        });
        (self.interval_began_ns, self.interval_deliveries) = (now_ns, self.deliveries);
        self.fold();
    }

    /// The latencies so far; from here on others are counted.
    pub(crate) fn take(&mut self) -> Latencies {
        self.fold();
        self.shares
            .iter_mut()
            .for_each(|share| share.batch.latencies.reset());
        std::mem::replace(&mut self.total, no_latencies())
    }

    /// Adds what came since the last interval to the total.
    pub(crate) fn fold(&mut self) {
        self.current.record_same();
        self.total
            .add(&self.current.latencies)
            .expect("both have the same bounds");
        self.current.latencies.reset();
        self.shares
            .iter_mut()
            .for_each(|share| share.batch.record_same());
    }
}

/// p50, p90, p99, p99.9 and the maximum.
pub(crate) fn percentiles(latencies: &Latencies) -> [u64; 5] {
    let at = |quantile| latencies.value_at_quantile(quantile);
    [at(0.50), at(0.90), at(0.99), at(0.999), latencies.max()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn only_messages_sent_while_it_measures_have_a_latency() {
        let mut recorder = Recorder::new(1);
        recorder.delivered(0, 0, MS);
        recorder.begin(10 * MS);
        recorder.delivered(0, 9 * MS, 11 * MS);
        recorder.delivered(0, 10 * MS, 12 * MS);
        recorder.cut(20 * MS, None);
        recorder.end(30 * MS);
        recorder.delivered(0, 30 * MS, 31 * MS);
        recorder.delivered(0, 29 * MS, 100 * MS);
        recorder.fold();
        assert_eq!((recorder.deliveries, recorder.total.len()), (5, 2));
        assert_eq!(
            (
                recorder.intervals[0].deliveries,
                recorder.intervals[0].latency_us.unwrap()[4] / 10
            ),
            (2, 200)
        );
        assert!(recorder.total.max() >= 71_000);
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut recorder = Recorder::new(1);
        recorder.begin(0);
        for ms in 1..=1_000 {
            recorder.delivered(0, 0, ms * MS);
        }
        recorder.fold();
        let near = |value: u64, expected: u64| value.abs_diff(expected) <= expected / 1_000;
        let expected = [500_000, 900_000, 990_000, 999_000, 1_000_000];
        let all = percentiles(&recorder.total);
        assert!(
            all.iter()
                .zip(expected)
                .all(|(&value, expected)| near(value, expected)),
            "{all:?}"
        );
    }

    #[test]
    fn an_interval_knows_nothing_of_the_one_before() {
        let mut recorder = Recorder::new(1);
        recorder.begin(0);
        (0..3).for_each(|_| recorder.delivered(0, 0, 900 * MS));
        recorder.cut(MS, None);
        recorder.delivered(0, 0, 5 * MS);
        recorder.cut(2 * MS, None);
        recorder.cut(3 * MS, None);
        let max = |nth: usize| {
            recorder.intervals[nth]
                .latency_us
                .map(|latency| latency[4] / 1_000)
        };
        assert_eq!([max(0), max(1), max(2)], [Some(900), Some(5), None]);
    }

    #[test]
    fn each_node_has_its_share() {
        let mut recorder = Recorder::new(2);
        recorder.begin(0);
        recorder.delivered(0, 0, MS);
        recorder.delivered(1, 0, 3 * MS);
        recorder.delivered_aside(1);
        recorder.fold();
        assert_eq!((recorder.deliveries, recorder.total.len()), (3, 2));
        assert_eq!(recorder.node_deliveries(), [1, 2]);
        let latencies = recorder.take_node_latencies();
        assert_eq!(
            latencies.iter().map(Latencies::len).collect::<Vec<_>>(),
            [1, 1]
        );
        assert!(latencies[0].max() < 2_000 && latencies[1].max() >= 2_900);
        assert!(Recorder::new(1).node_deliveries().is_empty());
    }
}
