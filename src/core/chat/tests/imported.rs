//! Messages that were published before, elsewhere.

use super::*;

/// What is imported has its own offset and time, and what is remembered has no hole.
#[test]
fn what_is_imported_keeps_its_place_and_its_time() {
    let mut chat = chat(&["--history-time", "3600"]);
    let tea = join(&mut chat, 0, "tea").unwrap();
    let author = Author::guest(PersonId(0));
    let now_ms = 10 * 3_600_000;
    let import = |chat: &mut Chat, offset, at_ms| {
        let draft = Draft {
            author: &author,
            owner: &here(),
            content: Content::Text,
            body: b"x",
            key: None,
            retain: false,
            ephemeral: false,
            dedup: None,
            file: None,
            imported: Some(Imported { offset, at_ms }),
            condition: None,
            freshness: Default::default(),
        };
        keep(chat, tea, &draft, now_ms)
    };
    let recent = now_ms - 60_000;
    assert_eq!(import(&mut chat, 7, recent), 7);
    assert_eq!(import(&mut chat, 8, recent), 8);
    let remembered = |chat: &Chat| {
        let (page, _) = chat.history(tea, u64::MAX, 9).unwrap();
        let times = page.iter().map(|it| it.at_ms);
        (offsets(&page), times.collect::<Vec<_>>())
    };
    assert_eq!(remembered(&chat), (vec![7, 8], vec![recent; 2]));
    // Somebody has said something in between.
    assert_eq!(say(&mut chat, tea, "1", None, now_ms), 9);
    assert_eq!(import(&mut chat, 9, recent), 10);
    assert_eq!(remembered(&chat).0, [7, 8, 9, 10]);
    // It is as old as it was.
    assert_eq!(import(&mut chat, 20, 0), 20);
    assert_eq!(remembered(&chat).0, [20]);
    chat.forget_expired_of(tea, now_ms);
    assert_eq!(remembered(&chat).0, Vec::<u64>::new());
}
