//! Push as it is kept in Redis, and told to the server.

use super::*;
use crate::core::redis::pushed::CHANNEL;
use crate::core::store::PushRequest;

/// A part of what is kept at a version, with the names and the texts that are there.
fn page(version: u64, entries: &[(&str, &str)]) -> Reply {
    let entries = entries
        .iter()
        .flat_map(|(name, text)| [bulk(name), bulk(text)]);
    Reply::Array(vec![
        bulk(&"e1"),
        bulk(&version),
        bulk(&"9"),
        Reply::Array(entries.collect()),
    ])
}

fn version(epoch: &str, number: u64) -> Reply {
    Reply::Array(vec![bulk(epoch), bulk(&number)])
}

impl Bench {
    /// One whose server pushes, and has been told all up to version 5.
    fn that_pushes() -> Self {
        let mut bench = Self::new(0);
        bench.ask(Request::Push(PushRequest::Begin));
        let order = bench.engine.next_order();
        assert!(matches!(order, Some(Order::Subscribe { channel, .. }) if *channel == *CHANNEL));
        bench.hear_push();
        let (subscriptions, _) = bench.sent();
        bench.reply(subscriptions, page(5, &[("7", "{}")]));
        let (told, _) = bench.sent();
        bench.reply(told, page(5, &[("tea alarm.a b", "[]")]));
        let expected = ["Begun", "Kept 7", "Told tea alarm.a b", "Known true"];
        assert_eq!(bench.push_told(), expected);
        bench
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.engine.begin_tick(self.now_ms);
    }

    fn hear_push(&mut self) {
        let channel = CHANNEL.into();
        self.event(LinkEvent::Subscribed { channel });
    }

    fn lose_push(&mut self) {
        let channel = CHANNEL.into();
        self.event(LinkEvent::Unsubscribed { channel });
    }

    fn push_said(&mut self, version: u64, name: &str, text: &str) {
        let head = format!("u e1 {version} s {}\n", name.len());
        let payload = [&head, name, text].concat().into_bytes();
        let channel = CHANNEL.into();
        self.event(LinkEvent::Message { channel, payload });
    }

    fn push_told(&mut self) -> Vec<String> {
        let told = self.told().into_iter().map(|it| match it {
            Output::PushNews(PushNews::Kept { number, .. }) => format!("Kept {number}"),
            Output::PushNews(PushNews::Forgotten { number }) => format!("Forgotten {number}"),
            Output::PushNews(PushNews::Told { room, key, .. }) => format!("Told {room} {key}"),
            Output::PushNews(PushNews::Known { is_other }) => format!("Known {is_other}"),
            Output::PushNews(news) => format!("{news:?}"),
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    /// The commands that were sent.
    fn tokens(&mut self) -> Vec<u64> {
        let orders = std::iter::from_fn(|| self.engine.next_order());
        let tokens = orders.map(|order| match order {
            Order::Send { token, .. } => token,
            other => panic!("{other:?}"),
        });
        tokens.collect()
    }

    fn keep(&mut self, number: u64) {
        let text = "{\"a\":1}".into();
        self.ask(Request::Push(PushRequest::Keep { number, text }));
    }
}

#[test]
fn what_others_change_is_told_and_what_was_missed_is_read_again() {
    let mut bench = Bench::that_pushes();
    bench.push_said(6, "8", "{}");
    bench.push_said(7, "7", "");
    bench.push_said(7, "7", "{}");
    assert_eq!(bench.push_told(), ["Kept 8", "Forgotten 7"]);
    assert!(bench.engine.next_order().is_none());
    bench.push_said(9, "9", "{}");
    assert_eq!(bench.push_told(), ["Begun"]);
    let (subscriptions, _) = bench.sent();
    // This comes after what is read was read.
    bench.push_said(10, "8", "");
    bench.reply(subscriptions, page(9, &[("8", "{}"), ("9", "{}")]));
    let (told, _) = bench.sent();
    bench.reply(told, page(9, &[]));
    assert_eq!(bench.push_told(), ["Forgotten 8", "Kept 9", "Known false"]);
    bench.push_said(11, "10", "{}");
    assert_eq!(bench.push_told(), ["Kept 10"]);
}

#[test]
fn the_version_is_compared_in_time_and_after_a_silence() {
    let mut bench = Bench::that_pushes();
    bench.lose_push();
    assert_eq!(bench.push_told(), ["Away"]);
    bench.hear_push();
    let (compare, _) = bench.sent();
    bench.reply(compare, version("e1", 5));
    assert_eq!(bench.push_told(), ["Back"]);
    bench.pass(COMPARE_MS);
    let (compare, _) = bench.sent();
    // What is missing may be on its way.
    bench.reply(compare, version("e1", 6));
    bench.pass(CHANNEL_LATE_MS);
    let (compare, _) = bench.sent();
    bench.reply(compare, version("e1", 6));
    assert_eq!(bench.push_told(), ["Begun"]);
    let (subscriptions, _) = bench.sent();
    bench.fail(subscriptions);
    bench.pass(ASK_AGAIN_MS);
    let (subscriptions, _) = bench.sent();
    bench.reply(subscriptions, page(6, &[]));
    let (told, _) = bench.sent();
    bench.reply(told, page(6, &[]));
    assert_eq!(bench.push_told(), ["Begun", "Known false"]);
    for lost in [version("e1", 3), version("e2", 6)] {
        bench.pass(COMPARE_MS);
        let (compare, _) = bench.sent();
        bench.reply(compare, lost);
        assert_eq!(bench.push_told(), ["Begun"]);
        let (subscriptions, _) = bench.sent();
        bench.reply(subscriptions, page(3, &[]));
        let (told, _) = bench.sent();
        bench.reply(told, page(3, &[]));
        bench.push_told();
    }
}

#[test]
fn what_is_to_be_kept_waits_until_redis_has_it() {
    let mut bench = Bench::that_pushes();
    bench.keep(1);
    let (keep, _) = bench.sent();
    bench.reply(keep, Reply::Array(vec![bulk(&"ok")]));
    assert_eq!(bench.push_told(), ["Written"]);
    bench.keep(1);
    let (keep, _) = bench.sent();
    // Changed again meanwhile; what others say of it is over by then.
    bench.keep(1);
    assert!(bench.engine.next_order().is_none());
    bench.push_said(6, "1", "{}");
    bench.fail(keep);
    bench.lose_push();
    bench.pass(ASK_AGAIN_MS);
    assert!(bench.engine.next_order().is_none());
    assert_eq!(bench.push_told(), ["Away"]);
    bench.hear_push();
    let tokens = bench.tokens();
    let [_compare, keep] = tokens[..] else {
        panic!("{tokens:?}");
    };
    bench.reply(keep, Reply::Array(vec![bulk(&"full")]));
    assert_eq!(bench.push_told(), ["Back", "Forgotten 1", "Written"]);
}

#[test]
fn so_much_is_sent_at_a_time() {
    let mut bench = Bench::that_pushes();
    for number in 1..=100 {
        bench.keep(number);
    }
    let tokens = bench.tokens();
    assert_eq!(tokens.len(), crate::limits::PUSH_KEPT_AT_ONCE);
    bench.reply(tokens[0], Reply::Array(vec![bulk(&"ok")]));
    bench.sent();
    assert!(bench.engine.next_order().is_none());
}
