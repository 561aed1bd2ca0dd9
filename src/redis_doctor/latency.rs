//! How long a Redis takes to answer.

use std::io;
use std::time::{Duration, Instant};

use super::client::Client;
use super::place::Place;
use super::report::Finding;

/// Commands of each kind, one after the other.
const COUNT: usize = 1_000;
/// What a message may wait for Redis without anybody noticing, at the 99th percentile.
const NOTICED: Duration = Duration::from_millis(10);

/// About what is done for a message: an offset, the message in a log of 100, and a word to all.
const SCRIPT: &str = "local offset = redis.call('HINCRBY', KEYS[1], 'offset', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100, offset .. '-0', 'm', ARGV[2])
redis.call('PEXPIRE', KEYS[1], 60000)
redis.call('PEXPIRE', KEYS[2], 60000)
redis.call(ARGV[1], ARGV[3], ARGV[2])
return offset";

/// Measures, and removes what it has written. What is refused meanwhile is said elsewhere.
pub(super) fn finding(client: &mut Client, place: &Place, is_sharded: bool) -> io::Result<Finding> {
    let ping = times(client, &["PING"])?;
    let (room, log, channel) = (place.key("room"), place.key("log"), place.channel());
    let publish = if is_sharded { "SPUBLISH" } else { "PUBLISH" };
    let message = "x".repeat(64);
    let script = [
        "EVAL", SCRIPT, "2", &room, &log, publish, &message, &channel,
    ];
    let scripts = times(client, &script)?;
    client.call(&["DEL", &room, &log])?;
    let value = format!(
        "PING p50 {}, p99 {}; a script p50 {}, p99 {}",
        ms(ping.p50),
        ms(ping.p99),
        ms(scripts.p50),
        ms(scripts.p99)
    );
    let finding = Finding::new(
        "latency",
        value,
        "every message takes that much longer than without Redis",
    );
    Ok(match scripts.p99 > NOTICED {
        true => finding.better(
            "put Redis nearer to the nodes, or see what else keeps it busy, with SLOWLOG GET and INFO commandstats",
        ),
        false => finding,
    })
}

struct Percentiles {
    p50: Duration,
    p99: Duration,
}

fn times(client: &mut Client, words: &[&str]) -> io::Result<Percentiles> {
    let mut times = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let begin = Instant::now();
        client.call(words)?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(Percentiles {
        p50: times[COUNT / 2],
        p99: times[COUNT * 99 / 100],
    })
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
