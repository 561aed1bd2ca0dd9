//! Bans that Redis has, or has lost, or could not be told of.

use super::*;
use crate::core::redis::people::{ALL_NODES, Word, said};
use crate::core::store::BanRequest;

fn keep(id: &str) -> BanRequest {
    BanRequest::Keep {
        id: id.into(),
        text: format!("{{\"name\":\"{id}\"}}").into(),
    }
}

/// All that is sent: the tokens, and the names of the scripts.
fn sent(bench: &mut Bench) -> Vec<(u64, &'static str)> {
    let orders = std::iter::from_fn(|| bench.engine.next_order());
    let sent = orders.map(|order| match order {
        Order::Send {
            command: Command::Script { script, .. },
            token,
            ..
        } => (token, script.name),
        other => panic!("{other:?}"),
    });
    sent.collect()
}

fn news(bench: &mut Bench) -> Vec<PeopleNews> {
    let told = bench.told().into_iter().map(|output| match output {
        Output::PeopleNews(news) => news,
        other => panic!("{other:?}"),
    });
    told.collect()
}

fn on_channel(bench: &mut Bench) -> u64 {
    bench.event(LinkEvent::Subscribed {
        channel: ALL_NODES.into(),
    });
    let [(token, "bans")] = sent(bench)[..] else {
        panic!("the bans were not asked for");
    };
    token
}

fn all(version: u64, texts: &[&str]) -> Reply {
    let fields = texts.iter().flat_map(|text| [bulk("id"), bulk(*text)]);
    let fields = fields.chain([bulk("version"), bulk(&version)]);
    Reply::Array(vec![bulk(&version), Reply::Array(fields.collect())])
}

fn hear(bench: &mut Bench, id: &str, text: Option<&str>) {
    let word = said(&Word::Ban {
        id: id.into(),
        text: text.map(Into::into),
    });
    bench.event(LinkEvent::Message {
        channel: ALL_NODES.into(),
        payload: word.into(),
    });
}

#[test]
fn all_bans_are_asked_for_whenever_something_may_be_missed() {
    let mut bench = Bench::new(0);
    let token = on_channel(&mut bench);
    bench.reply(token, all(3, &["{\"name\":\"a\"}"]));
    assert!(
        matches!(&news(&mut bench)[..], [PeopleNews::Bans(texts)] if texts.len() == 1),
        "the version is no ban"
    );
    hear(&mut bench, "b", Some("{}"));
    hear(&mut bench, "a", None);
    assert!(matches!(
        &news(&mut bench)[..],
        [
            PeopleNews::Ban { text: Some(_), .. },
            PeopleNews::Ban { text: None, .. }
        ]
    ));
    // What was heard is counted, so that nothing is read again.
    let token = on_channel(&mut bench);
    bench.reply(token, Reply::Array(vec![bulk(&"same")]));
    assert!(news(&mut bench).is_empty());
    // A Redis that has lost all is told by those who know.
    let token = on_channel(&mut bench);
    bench.reply(token, all(0, &[]));
    assert!(matches!(&news(&mut bench)[..], [PeopleNews::BansLost]));
}

#[test]
fn what_redis_could_not_be_told_is_told_later() {
    let mut bench = Bench::new(0);
    bench.ask(Request::Ban(keep("a")));
    let [(token, "ban")] = sent(&mut bench)[..] else {
        panic!("nothing was sent");
    };
    bench.fail(token);
    bench.ask(Request::Ban(BanRequest::Compare));
    let sent = sent(&mut bench);
    let names: Vec<&str> = sent.iter().map(|(_, name)| *name).collect();
    assert_eq!(names, ["ban", "bans"], "the ban first");
    bench.reply(sent[0].0, Reply::Array(vec![bulk(&"ok")]));
    bench.reply(sent[1].0, Reply::Array(vec![bulk(&"same")]));
    assert!(news(&mut bench).is_empty());
}
