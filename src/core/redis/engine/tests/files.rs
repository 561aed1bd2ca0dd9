//! Links of files, where Redis does not answer at once.

use super::*;
use crate::core::file::{FileId, KeptFile, Space};
use crate::core::store::{FileLink, FilesAnswer, FilesNews, FilesRequest, FilesToForget};
use crate::limits::{FILES_AT_ONCE, FORGET_FILES_MS};

fn id(number: u8) -> FileId {
    FileId::parse(&format!("{number:032x}")).unwrap()
}

fn keep(ticket: u64) -> Request {
    let file = KeptFile {
        id: id(1),
        name: "a.txt".into(),
        content_type: "text/plain".into(),
        bytes: 5,
        size: None,
        owner: "at 127.0.0.1".into(),
        at_ms: 7,
    };
    Request::Files(FilesRequest::Keep {
        ticket: Ticket(ticket),
        link: Box::new(FileLink {
            room: "tea".into(),
            file,
        }),
        epoch: EPOCH,
    })
}

fn forget(which: FilesToForget) -> Request {
    Request::Files(FilesRequest::Forget(which))
}

/// The reply of `forget_files`.
fn forgotten(count: usize) -> Reply {
    let ids = (0..count).map(|_| bulk(&id(1)));
    Reply::Array(vec![
        Reply::Array(ids.collect()),
        Reply::Integer(7),
        bulk(&700),
    ])
}

fn pass(bench: &mut Bench, ms: u64) {
    bench.now_ms += ms;
    bench.engine.begin_tick(bench.now_ms);
}

fn is_answer(told: &[Output], expected: &FilesAnswer) -> bool {
    matches!(told, [Output::Answer(Answer::Files { answer, .. })] if answer == expected)
}

#[test]
fn a_link_waits_for_redis_as_long_as_a_message() {
    for wait_ms in [0, 1_000] {
        let mut bench = Bench::new(wait_ms);
        bench.ask(keep(1));
        while bench.now_ms + ASK_AGAIN_MS <= wait_ms {
            let (token, words) = bench.sent();
            assert_eq!(words, "keep_file");
            bench.fail(token);
            assert!(bench.told().is_empty());
            pass(&mut bench, ASK_AGAIN_MS);
        }
        let (token, _) = bench.sent();
        bench.fail(token);
        assert!(is_answer(&bench.told(), &FilesAnswer::Unavailable));
        pass(&mut bench, 60_000);
        assert!(bench.engine.next_order().is_none());
    }
}

#[test]
fn a_link_is_forgotten_in_the_end_and_kept_no_more() {
    let mut bench = Bench::new(1_000);
    bench.ask(keep(1));
    let (token, _) = bench.sent();
    bench.fail(token);
    bench.ask(forget(FilesToForget::One(id(1))));
    for _ in 0..20 {
        let (token, words) = bench.sent();
        assert_eq!(words, "forget_files");
        bench.fail(token);
        pass(&mut bench, ASK_AGAIN_MS);
    }
    let (token, _) = bench.sent();
    bench.reply(token, forgotten(1));
    let told = bench.told();
    let [Output::FilesNews(FilesNews { forgotten, space })] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(forgotten[..], [id(1)]);
    let left = Space {
        files: 7,
        bytes: 700,
    };
    assert_eq!(*space, left);
    pass(&mut bench, 60_000);
    assert!(bench.engine.next_order().is_none());
}

#[test]
fn it_is_given_up_when_redis_stays_away() {
    let mut bench = Bench::new(0);
    bench.ask(forget(FilesToForget::Old));
    let (token, _) = bench.sent();
    bench.fail(token);
    pass(&mut bench, FORGET_FILES_MS);
    let (token, _) = bench.sent();
    bench.fail(token);
    pass(&mut bench, FORGET_FILES_MS);
    assert!(bench.engine.next_order().is_none());
    assert!(bench.told().is_empty(), "nobody waits for it");
}

#[test]
fn what_is_too_much_for_one_time_is_forgotten_in_parts() {
    let mut bench = Bench::new(0);
    let room = FilesToForget::Room {
        room: "tea".into(),
        epoch: EPOCH,
    };
    bench.ask(forget(room));
    for count in [FILES_AT_ONCE, FILES_AT_ONCE, 3] {
        let (token, words) = bench.sent();
        assert_eq!(words, "forget_files");
        bench.reply(token, forgotten(count));
        assert_eq!(bench.told().len(), 1);
    }
    assert!(bench.engine.next_order().is_none());
}

#[test]
fn an_error_is_no_answer() {
    let mut bench = Bench::new(0);
    bench.ask(Request::Files(FilesRequest::Find {
        ticket: Ticket(1),
        id: id(1),
    }));
    let (token, words) = bench.sent();
    assert!(words.starts_with("HGET parlor:{files}:links"), "{words}");
    bench.reply(token, Reply::Error("LOADING".into()));
    assert!(is_answer(&bench.told(), &FilesAnswer::Unavailable));
}
