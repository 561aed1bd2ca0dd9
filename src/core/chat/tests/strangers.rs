//! What somebody holds is not lost to a stranger who fills what all rooms share.

use super::*;
use crate::limits::{DEDUP_MS, MAX_DEDUP};

/// Somebody at an address of their own.
fn at(host: u8) -> Owner {
    Owner::at([192, 0, 2, host].into())
}

/// Says something in a room, which begins if it does not exist.
fn tell(
    chat: &mut Chat,
    owner: &Owner,
    room: &str,
    (key, body): (Option<&str>, &str),
) -> Result<(), PublishError> {
    let author = Author::guest(PersonId(0));
    let draft = Draft {
        author: &author,
        owner,
        content: Content::Text,
        body: body.as_bytes(),
        key,
        retain: key.is_some(),
        ephemeral: false,
        dedup: None,
        file: None,
        imported: None,
        condition: None,
        freshness: Default::default(),
    };
    let now = Now { ms: 0, unix_ms: 0 };
    let room = chat.find_or_create_for_publish(&name(room), owner, 0)?;
    publish(chat, room, &draft, now).map(|_| ())
}

/// How many values and messages a room holds; `None` if there is no such room.
fn held(chat: &Chat, room: &str) -> Option<(usize, usize)> {
    let room = chat.find(&name(room))?;
    let arrival = chat.arrival(room, Selection::Last(usize::MAX))?;
    Some((chat.retained(room).len(), arrival.messages.len()))
}

#[test]
fn a_flood_of_rooms_costs_nobody_else_theirs() {
    let mut chat = chat(&["--max-rooms", "40", "--rate", "0"]);
    tell(&mut chat, &at(1), "plant", (Some("boiler"), "80")).unwrap();
    tell(&mut chat, &at(1), "tea", (None, "hello")).unwrap();
    for number in 0..100 {
        let told = tell(
            &mut chat,
            &at(2),
            &format!("flood-{number}"),
            (Some("k"), "x"),
        );
        let expected = match number {
            0..20 => Ok(()),
            _ => Err(PublishError::TooManyRooms),
        };
        assert_eq!(told, expected, "half of all rooms are theirs");
    }
    // Without state their own make room, the least recently used first.
    for number in 0..100 {
        tell(&mut chat, &at(3), &format!("post-{number}"), (None, "x")).unwrap();
    }
    chat.check().unwrap();
    assert_eq!(held(&chat, "plant"), Some((1, 1)));
    assert_eq!(held(&chat, "tea"), Some((0, 1)));
    assert_eq!(
        (held(&chat, "post-81"), held(&chat, "post-82")),
        (None, Some((0, 1)))
    );
    // Somebody else begins a room, and whoever has most of those without state loses one.
    tell(&mut chat, &at(4), "other", (Some("k"), "x")).unwrap();
    assert_eq!(held(&chat, "post-82"), None);
    assert_eq!(chat.forgotten().rooms, 83);
}

#[test]
fn within_a_share_nobody_loses_a_room_with_state() {
    let mut chat = chat(&["--max-rooms", "8", "--rate", "0"]);
    let mut begin = |host, room: &str| tell(&mut chat, &at(host), room, (Some("k"), "x"));
    for room in ["a1", "a2", "a3", "a4"] {
        begin(1, room).unwrap();
    }
    for room in ["b1", "b2", "c1", "c2"] {
        begin(room.as_bytes()[0], room).unwrap();
    }
    // Two of eight are a share; whoever has more loses the one that was used least recently.
    begin(4, "d1").unwrap();
    begin(4, "d2").unwrap();
    assert_eq!(begin(5, "e1"), Err(PublishError::TooManyRooms));
    let left: Vec<&str> = chat.by_name.keys().map(RoomName::as_str).collect();
    assert_eq!(left, ["a3", "a4", "b1", "b2", "c1", "c2", "d1", "d2"]);
    chat.check().unwrap();
}

/// Whoever comes first begins a room: what others keep in it is not theirs.
#[test]
fn who_begins_a_room_does_not_take_along_what_others_have_in_it() {
    let mut chat = chat(&["--max-rooms", "8", "--rate", "0"]);
    tell(&mut chat, &at(2), "plant", (Some("junk"), "x")).unwrap();
    tell(&mut chat, &at(1), "plant", (Some("boiler"), "80")).unwrap();
    tell(&mut chat, &at(2), "tea", (None, "first")).unwrap();
    tell(&mut chat, &at(1), "tea", (None, "hello")).unwrap();
    for number in 0..20 {
        let _ = tell(&mut chat, &at(2), &format!("post-{number}"), (None, "x"));
        let _ = tell(
            &mut chat,
            &at(3),
            &format!("flood-{number}"),
            (Some("k"), "x"),
        );
    }
    assert_eq!(held(&chat, "plant"), Some((2, 2)));
    chat.check().unwrap();
    chat.forget_owner(&at(2)).unwrap();
    assert_eq!(held(&chat, "plant"), Some((1, 2)));
    chat.check().unwrap();
}

#[test]
fn this_machine_may_stand_for_many_and_loses_no_state_to_itself() {
    let mut chat = chat(&["--max-rooms", "20", "--rate", "0"]);
    tell(&mut chat, &here(), "plant", (Some("boiler"), "80")).unwrap();
    let told = (0..100).map(|n| tell(&mut chat, &here(), &format!("r-{n}"), (Some("k"), "x")));
    assert_eq!(told.filter(Result::is_ok).count(), 19);
    assert_eq!(held(&chat, "plant"), Some((1, 1)));
}

#[test]
fn rooms_begin_at_a_rate() {
    let mut chat = chat(&["--max-rooms", "1000", "--rate", "10"]);
    let mut begin = |host, n| tell(&mut chat, &at(host), &format!("r-{n}"), (None, "x"));
    let told: Vec<_> = (0..300).map(|n| begin(1, n)).collect();
    assert_eq!(
        told.iter().filter(|it| it.is_ok()).count(),
        250,
        "a share at once"
    );
    assert_eq!(told[250], Err(PublishError::TooFast { retry_ms: 100 }));
    assert_eq!(begin(1, 0), Ok(()), "it has begun already");
    assert_eq!(begin(2, 300), Ok(()), "it is somebody else's allowance");
    assert!(
        chat.find(&name("r-299")).is_none(),
        "nothing begins that may not"
    );
}

#[test]
fn who_only_sits_in_rooms_pays_when_something_is_said() {
    let mut chat = chat(&["--max-rooms", "4", "--rate", "1"]);
    for room in ["one", "two", "three"] {
        let owner = at(1);
        let format = Format::Json.into();
        let joined = chat.join(id(1), PersonId(1), format, &name(room), &owner, 0);
        assert!(joined.is_ok() || joined == Err(JoinError::TooManyRooms));
    }
    assert_eq!(chat.room_count(), 2, "half of all rooms");
    assert_eq!(tell(&mut chat, &at(1), "one", (None, "x")), Ok(()));
    assert_eq!(tell(&mut chat, &at(1), "one", (None, "x")), Ok(()));
    assert_eq!(tell(&mut chat, &at(1), "two", (None, "x")), Ok(()));
    chat.check().unwrap();
}

/// A mebibyte, of which half may be state.
const SMALL: [&str; 6] = [
    "--history-memory",
    "1048576",
    "--rate",
    "0",
    "--max-rooms",
    "10000",
];

#[test]
fn whoever_fills_the_memory_for_state_loses_it_first() {
    let mut chat = chat(&SMALL);
    tell(&mut chat, &at(1), "plant", (Some("boiler"), "80")).unwrap();
    let large = "x".repeat(60_000);
    let mut flood = |host, n| tell(&mut chat, &at(host), &format!("r-{n}"), (Some("k"), &large));
    let told = (0..20).map(|n| flood(2, n));
    assert_eq!(told.filter(Result::is_ok).count(), 8, "then all is used up");
    assert_eq!(flood(2, 99), Err(PublishError::NoMemory));
    // Others still have theirs kept, and it is the flooder's that goes.
    for n in 0..4 {
        assert_eq!(flood(3, 100 + n), Ok(()), "{n}");
    }
    assert_eq!(
        flood(3, 104),
        Err(PublishError::NoMemory),
        "it has as much itself"
    );
    assert_eq!(
        tell(&mut chat, &at(1), "plant", (Some("alarm"), "on")),
        Ok(())
    );
    chat.check().unwrap();
    assert_eq!(held(&chat, "plant").map(|it| it.0), Some(2));
    let oldest = held(&chat, "r-0").map_or(0, |it| it.0);
    assert_eq!(oldest, 0, "the flooder's oldest is gone");
}

#[test]
fn on_this_machine_the_larger_value_goes() {
    let mut chat = chat(&SMALL);
    let large = "x".repeat(60_000);
    for n in 0..20 {
        let _ = tell(&mut chat, &here(), &format!("r-{n}"), (Some("k"), &large));
    }
    assert_eq!(
        tell(&mut chat, &here(), "plant", (Some("boiler"), "80")),
        Ok(())
    );
    for n in 0..20 {
        let _ = tell(&mut chat, &here(), &format!("s-{n}"), (Some("k"), &large));
    }
    assert_eq!(held(&chat, "plant").map(|it| it.0), Some(1));
    chat.check().unwrap();
}

#[test]
fn in_a_room_whoever_has_most_keys_makes_room() {
    let mut chat = chat(&["--max-keys", "8"]);
    let mut set = |host, key: &str| tell(&mut chat, &at(host), "plant", (Some(key), "1"));
    set(1, "boiler").unwrap();
    let told = (0..20).map(|n| set(2, &format!("k-{n}")));
    assert_eq!(told.filter(Result::is_ok).count(), 7);
    assert_eq!(set(1, "pump"), Ok(()));
    assert_eq!(set(2, "k-20"), Err(PublishError::TooManyKeys));
    for n in 0..3 {
        assert_eq!(set(3, &format!("t-{n}")), Ok(()));
    }
    // Now nobody has more than the one for whom it would be.
    assert_eq!(set(3, "t-3"), Err(PublishError::TooManyKeys));
    let room = chat.find(&name("plant")).unwrap();
    let retained = chat.retained(room);
    let keys: Vec<&str> = retained.iter().filter_map(|it| it.key).collect();
    assert_eq!(
        keys,
        ["boiler", "k-4", "k-5", "k-6", "pump", "t-0", "t-1", "t-2"]
    );
    chat.check().unwrap();
}

/// A value that was to be replaced was taken for one that makes room, and its bytes were counted twice.
#[test]
fn a_value_makes_no_room_for_its_own_successor() {
    let mut chat = chat(&["--history-bytes", "20000"]);
    let mut set = |host, key: &str, bytes| {
        tell(
            &mut chat,
            &at(host),
            "plant",
            (Some(key), &"x".repeat(bytes)),
        )
    };
    for key in ["a", "b", "c"] {
        set(2, key, 6_000).unwrap();
    }
    assert_eq!(set(1, "a", 9_000), Ok(()));
    assert_eq!(set(1, "a", 19_000), Err(PublishError::TooManyKeys));
    let room = chat.find(&name("plant")).unwrap();
    let retained = chat.retained(room);
    let state = retained.iter().map(|it| (it.key.unwrap(), it.body.len()));
    assert_eq!(state.collect::<Vec<_>>(), [("c", 6_000), ("a", 9_000)]);
    chat.check().unwrap();
}

#[test]
fn messages_go_before_state_and_the_flooders_first() {
    let mut chat = chat(&SMALL);
    tell(&mut chat, &at(1), "plant", (Some("boiler"), "80")).unwrap();
    tell(&mut chat, &at(1), "tea", (None, "hello")).unwrap();
    // Somebody sits in the room that is flooded: it does not end.
    join(&mut chat, 7, "flood").unwrap();
    for n in 0..3000 {
        let room = if n % 2 == 0 {
            "flood".to_owned()
        } else {
            format!("f-{}", n % 50)
        };
        tell(&mut chat, &at(2), &room, (None, &"x".repeat(1_000))).unwrap();
    }
    chat.check().unwrap();
    assert_eq!(held(&chat, "plant"), Some((1, 1)));
    assert_eq!(held(&chat, "tea"), Some((0, 1)));
    assert!(held(&chat, "flood").unwrap().1 > 10);
}

/// Every message looked at every room for the largest history.
#[test]
fn what_is_forgotten_for_a_message_does_not_cost_more_with_more_rooms() {
    for rooms in [10, 4_000] {
        let mut chat = chat(&SMALL);
        let body = "x".repeat(1_000);
        for n in 0..3_000 {
            tell(
                &mut chat,
                &at(1),
                &format!("r-{}", n % rooms),
                (None, &body),
            )
            .unwrap();
        }
        let before = chat.ledger.looks.get();
        for n in 0..100 {
            tell(
                &mut chat,
                &at(2),
                &format!("r-{}", n % rooms),
                (None, "hello"),
            )
            .unwrap();
        }
        let looks = chat.ledger.looks.get() - before;
        assert!((1..=200).contains(&looks), "{rooms} rooms: {looks} looks");
        chat.check().unwrap();
    }
}

#[test]
fn an_operator_undoes_it() {
    let mut chat = chat(&["--max-rooms", "40", "--rate", "0"]);
    join(&mut chat, 1, "plant").unwrap();
    tell(&mut chat, &at(1), "plant", (Some("boiler"), "80")).unwrap();
    tell(&mut chat, &at(2), "plant", (Some("junk"), "x")).unwrap();
    for number in 0..30 {
        let _ = tell(
            &mut chat,
            &at(2),
            &format!("flood-{number}"),
            (Some("k"), "x"),
        );
    }
    let most = chat.holdings().remove(0);
    assert_eq!((most.owner, most.rooms), (Some(at(2)), 20));
    assert_eq!(chat.rooms_begun_by(&at(2)).0.len(), 20);
    assert_eq!(chat.forget_owner(&at(2)), Some((20, 1)));
    assert_eq!((chat.room_count(), held(&chat, "plant")), (1, Some((1, 2))));
    assert_eq!(chat.forget_owner(&at(9)), None);
    chat.check().unwrap();
}

#[test]
fn accounts_of_those_who_hold_nothing_are_closed() {
    let mut chat = chat(&["--rate", "10", "--history", "0"]);
    for host in 0..=255 {
        tell(&mut chat, &at(host), "tea", (None, "x")).unwrap();
    }
    // What they did counts for a moment.
    for host in 0..=255 {
        chat.may_post(
            &Owner::at([198, 51, 100, host].into()),
            Now {
                ms: 60_000,
                unix_ms: 0,
            },
        )
        .unwrap();
    }
    assert!(
        chat.ledger.account_count() < 300,
        "{}",
        chat.ledger.account_count()
    );
    chat.check().unwrap();
}

#[test]
fn a_strangers_ids_make_nobody_else_say_something_twice() {
    let mut dedup = Dedup::default();
    let log = || (name("tea"), 7);
    let person = |number| Sender::Person(PersonId(number));
    let (own, other) = (Sender::Owner(at(1)), Sender::Owner(at(2)));
    dedup.remember(log(), &own, "mine", 1, &at(1), 0);
    dedup.remember(log(), &person(7), "by-another", 2, &at(2), 0);
    for number in 0..MAX_DEDUP as u64 + 500 {
        dedup.remember(
            log(),
            &other,
            &format!("x{number}"),
            9,
            &at(2),
            number / 1_000,
        );
    }
    dedup.check().unwrap();
    let mut find = |sender: &Sender, id: &str| dedup.find(log(), sender, id, 200);
    assert_eq!(find(&own, "mine"), Some(1));
    assert_eq!(find(&other, "mine"), None, "it is another's");
    assert_eq!(
        find(&person(7), "by-another"),
        Some(2),
        "one address, and another person"
    );
    assert_eq!(
        (find(&other, "x501"), find(&other, "x502")),
        (None, Some(9))
    );
    assert_eq!(find(&other, "x100499"), Some(9));
    dedup.find(log(), &own, "none", DEDUP_MS + 1_000);
    dedup.check().unwrap();
    assert_eq!(dedup.find(log(), &own, "mine", 0), None);
}

/// Two who filled all rooms with state took the only one without.
#[test]
fn who_has_begun_few_rooms_keeps_them() {
    let mut chat = chat(&["--max-rooms", "20", "--rate", "0"]);
    tell(&mut chat, &at(1), "quiet", (None, "remember me")).unwrap();
    for host in [2, 3] {
        let begun = (0..15).filter(|number| {
            let room = format!("flood-{host}-{number}");
            tell(&mut chat, &at(host), &room, (Some("k"), "x")).is_ok()
        });
        assert_eq!(begun.count(), 10);
    }
    assert_eq!(chat.rooms_begun_by(&at(1)).0.len(), 1);
    // Whoever has none yet gets one of somebody who has more than a quarter.
    tell(&mut chat, &at(4), "new", (None, "x")).unwrap();
    chat.check().unwrap();
}
