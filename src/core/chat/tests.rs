use super::*;
use crate::core::now::Now;
use crate::limits::{ABSENCE_MS, PRESENCE_MS};

fn chat(flags: &[&str]) -> Chat {
    Chat::new(Limits::of_flags(flags), [1; 32], PersonId(0))
}

fn id(index: u32) -> ConnectionId {
    ConnectionId::new(index as usize, index.into())
}

fn name(text: &str) -> RoomName {
    RoomName::parse(text).unwrap()
}

/// This machine.
fn here() -> Owner {
    Owner::at(std::net::Ipv4Addr::LOCALHOST.into())
}

fn join(chat: &mut Chat, index: u32, room: &str) -> Result<RoomId, JoinError> {
    chat.join(
        id(index),
        PersonId(index.into()),
        Format::Plain.into(),
        &name(room),
        &here(),
        0,
    )
}

fn leave(chat: &mut Chat, index: u32) {
    while let Some(room) = chat.room_of(id(index)) {
        assert!(chat.leave(id(index), PersonId(index.into()), room, 0));
    }
}

/// Says something, and gives its offset.
fn say(chat: &mut Chat, room: RoomId, body: &str, key: Option<&str>, at_ms: u64) -> u64 {
    let author = Author::guest(PersonId(0));
    let draft = Draft {
        author: &author,
        owner: &here(),
        content: Content::Json,
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
    keep(chat, room, &draft, at_ms)
}

fn keep(chat: &mut Chat, room: RoomId, draft: &Draft<'_>, at_ms: u64) -> u64 {
    let offset = keep_unchecked(chat, room, draft, at_ms);
    chat.check().unwrap();
    offset
}

/// The same in the midst of many, where to check each would take too long.
fn keep_unchecked(chat: &mut Chat, room: RoomId, draft: &Draft<'_>, at_ms: u64) -> u64 {
    let now = Now {
        ms: at_ms,
        unix_ms: at_ms,
    };
    let (is_new, offset) = publish(chat, room, draft, now).unwrap();
    assert!(is_new);
    offset
}

/// Publishes a message as the server does without a store. Says whether it is new, and its offset.
fn publish(
    chat: &mut Chat,
    room: RoomId,
    draft: &Draft<'_>,
    now: Now,
) -> Result<(bool, u64), PublishError> {
    let keeping = match chat.propose(room, draft, true, now)? {
        Proposed::Again(offset) => return Ok((false, offset)),
        Proposed::New(keeping) => keeping,
    };
    let offset = chat.offset_for(room, draft);
    let accepted = Accepted {
        offset: Some(offset),
        at_ms: draft.at_ms(now),
    };
    let message = chat.accept(room, draft, accepted, now);
    chat.keep(room, &message, draft, keeping, now);
    Ok((true, offset))
}

fn members(chat: &Chat, room: RoomId) -> Vec<u32> {
    chat.members(room.audience(Format::Plain))
        .map_or(Vec::new(), |members| {
            members
                .iter()
                .map(|member| member.id.index() as u32)
                .collect()
        })
}

fn offsets(messages: &[Message<'_>]) -> Vec<u64> {
    messages
        .iter()
        .filter_map(|message| message.offset)
        .collect()
}

/// A room ended with its last member, and who came back a moment later had lost their place in it.
#[test]
fn a_room_lasts_as_long_as_someone_may_come_back() {
    let mut chat = chat(&[]);
    let tea = join(&mut chat, 0, "tea").unwrap();
    assert_eq!(join(&mut chat, 1, "tea"), Ok(tea));
    leave(&mut chat, 0);
    assert_eq!(
        (chat.room_of(id(0)), chat.room_of(id(1))),
        (None, Some(tea))
    );
    leave(&mut chat, 1);
    assert_eq!(chat.next_deadline_ms(), Some(ABSENCE_MS));
    while chat.forget_due(ABSENCE_MS - 1) {}
    assert_eq!(join(&mut chat, 1, "tea"), Ok(tea), "it is still there");
    leave(&mut chat, 1);
    while chat.forget_due(ABSENCE_MS) {}
    assert_eq!((chat.room_count(), chat.take_ended()), (0, vec![tea]));
    let again = join(&mut chat, 1, "tea").unwrap();
    assert_ne!(again, tea);
    assert_eq!(
        (members(&chat, tea), members(&chat, again)),
        (vec![], vec![1])
    );
}

#[test]
fn who_leaves_from_the_middle_is_gone_and_the_others_stay() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "tea").unwrap();
    for joiner in 1..5 {
        assert_eq!(join(&mut chat, joiner, "tea"), Ok(room));
    }
    let snapshot = chat.members(room.audience(Format::Plain)).unwrap();
    for leaver in [1, 4, 0] {
        leave(&mut chat, leaver);
        chat.check().unwrap();
    }
    let mut left = members(&chat, room);
    left.sort_unstable();
    assert_eq!((left, snapshot.len()), (vec![2, 3], 5));
}

#[test]
fn one_connection_may_be_in_several_rooms() {
    let mut chat = chat(&["--max-joined", "2"]);
    let tea = join(&mut chat, 0, "tea").unwrap();
    let milk = join(&mut chat, 0, "milk").unwrap();
    assert_eq!(join(&mut chat, 0, "tea"), Ok(tea));
    assert_eq!(join(&mut chat, 0, "salt"), Err(JoinError::TooManyJoined));
    assert!(chat.leave(id(0), PersonId(0), tea, 0));
    assert!(!chat.leave(id(0), PersonId(0), tea, 0));
    assert_eq!(chat.rooms_of(id(0)).collect::<Vec<_>>(), [milk]);
    chat.check().unwrap();
}

/// Whoever came alone was told by an event that they had come.
#[test]
fn nobody_is_told_of_themselves_alone() {
    let mut chat = chat(&[]);
    let enter = |chat: &mut Chat, index| {
        let person = chat.begin_person(id(index));
        let (id, format) = (id(index), Format::Json.into());
        let room = chat.join(id, person, format, &name("tea"), &here(), 0);
        room.unwrap()
    };
    enter(&mut chat, 1);
    assert!(chat.take_news(PRESENCE_MS).is_none());
    let room = enter(&mut chat, 2);
    let (_, news) = chat.take_news(PRESENCE_MS).expect("the other is told");
    assert_eq!((news.joined.len(), news.count), (1, 2));
    for index in [1, 2] {
        chat.leave(id(index), PersonId(index.into()), room, 0);
    }
    enter(&mut chat, 3);
    assert!(chat.take_news(2 * PRESENCE_MS).is_none());
}

#[test]
fn rooms_are_bounded_and_the_forgotten_make_room() {
    let mut chat = chat(&["--max-rooms", "1"]);
    let tea = join(&mut chat, 0, "tea").unwrap();
    assert_eq!(join(&mut chat, 1, "milk"), Err(JoinError::TooManyRooms));
    say(&mut chat, tea, "1", None, 0);
    leave(&mut chat, 0);
    assert_eq!(chat.room_count(), 1, "it is remembered");
    assert!(join(&mut chat, 1, "milk").is_ok());
    chat.check().unwrap();
}

#[test]
fn members_know_from_where_they_listen() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "tea").unwrap();
    let audience = room.audience(Format::Plain);
    assert_eq!(chat.next_sequence(audience), Some(1));
    assert_eq!(chat.next_sequence(room.audience(Format::Json)), None);
    join(&mut chat, 1, "tea").unwrap();
    let since = [0, 1].map(|index| chat.entry_sequence(id(index), room));
    assert_eq!(since, [Some(0), Some(1)]);
}

#[test]
fn who_comes_back_gets_all_or_is_told() {
    let mut chat = chat(&["--history", "3"]);
    let room = join(&mut chat, 0, "tea").unwrap();
    for number in 1..=5 {
        assert_eq!(say(&mut chat, room, "1", None, 0), number);
    }
    let epoch = chat.epoch(room);
    let back = |offset, epoch| {
        let arrival = chat.arrival(
            room,
            Selection::Since {
                position: Position { epoch, offset },
                or_last: 2,
            },
        );
        let arrival = arrival.unwrap();
        (arrival.recovered, offsets(&arrival.messages))
    };
    assert_eq!(back(2, epoch), (true, vec![3, 4, 5]));
    assert_eq!(back(5, epoch), (true, vec![]));
    assert_eq!(back(1, epoch), (false, vec![4, 5]));
    assert_eq!(back(6, epoch), (false, vec![4, 5]));
    assert_eq!(back(2, epoch + 1), (false, vec![4, 5]));
}

#[test]
fn a_room_is_forgotten_with_its_history_but_not_with_its_state() {
    let mut chat = chat(&["--history-time", "1"]);
    for (room, key) in [("tea", None), ("plant", Some("boiler"))] {
        let room = chat.find_or_create(&name(room), &here(), 0).unwrap();
        say(&mut chat, room, "1", key, 500);
    }
    assert_eq!(chat.next_deadline_ms(), Some(1500));
    assert!(!chat.forget_due(1499));
    assert_eq!(chat.room_count(), 2);
    assert!(chat.forget_due(1500));
    assert_eq!(chat.room_count(), 1);
    let plant = chat.find(&name("plant")).unwrap();
    chat.forget_expired_of(plant, 10_000);
    let arrival = chat.arrival(plant, Selection::Last(9)).unwrap();
    let retained = offsets(&chat.retained(plant));
    assert_eq!((offsets(&arrival.messages), retained), (vec![], vec![1]));
}

#[test]
fn the_state_of_a_key_is_its_latest_message() {
    let mut chat = chat(&["--max-keys", "2"]);
    let room = join(&mut chat, 0, "plant").unwrap();
    say(&mut chat, room, "1", Some("a"), 0);
    say(&mut chat, room, "2", Some("b"), 0);
    say(&mut chat, room, "3", Some("a"), 0);
    assert_eq!(offsets(&chat.retained(room)), [2, 3]);
    let author = Author::guest(PersonId(0));
    let third = Draft {
        author: &author,
        owner: &here(),
        content: Content::Json,
        body: b"4",
        key: Some("c"),
        retain: true,
        ephemeral: false,
        dedup: None,
        file: None,
        imported: None,
        condition: None,
        freshness: Default::default(),
    };
    let now = Now { ms: 0, unix_ms: 0 };
    assert_eq!(
        publish(&mut chat, room, &third, now),
        Err(PublishError::TooManyKeys)
    );
    say(&mut chat, room, "null", Some("b"), 0);
    assert_eq!(offsets(&chat.retained(room)), [3]);
    let latest = Selection::LatestByKey { after: 1 };
    let arrival = chat.arrival(room, latest).unwrap();
    assert_eq!(offsets(&arrival.messages), [3, 4]);
}

/// What is the state of a key was told twice, as a message and as retained.
#[test]
fn who_catches_up_is_told_each_key_once() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "plant").unwrap();
    let missed = |chat: &Chat| {
        let selection = Selection::LatestBesideState { after: 1 };
        let arrival = chat.arrival(room, selection).unwrap();
        let state = arrival.state.unwrap_or_else(|| chat.retained(room));
        (offsets(&arrival.messages), offsets(&state))
    };
    for key in ["a", "b", "c", "a"] {
        say(&mut chat, room, "1", Some(key), 0);
    }
    assert_eq!(missed(&chat), (vec![], vec![2, 3, 4]));
    // A later message that is not kept as its key's state.
    let author = Author::guest(PersonId(0));
    let passing = Draft {
        author: &author,
        owner: &here(),
        content: Content::Json,
        body: b"5",
        key: Some("b"),
        retain: false,
        ephemeral: false,
        dedup: None,
        file: None,
        imported: None,
        condition: None,
        freshness: Default::default(),
    };
    keep(&mut chat, room, &passing, 0);
    assert_eq!(missed(&chat), (vec![5], vec![3, 4]));
    say(&mut chat, room, "null", Some("c"), 0);
    assert_eq!(missed(&chat), (vec![5, 6], vec![4]));
    say(&mut chat, room, "7", Some("b"), 0);
    assert_eq!(missed(&chat), (vec![6], vec![4, 7]));
}

#[test]
fn memory_is_bounded_over_all_rooms() {
    let mut chat = chat(&["--history-memory", "1048576"]);
    let text = "1".repeat(60_000);
    for number in 0..40 {
        let room = chat.find_or_create(&name(&format!("room-{number}")), &here(), 0);
        say(&mut chat, room.unwrap(), &text, None, number);
    }
    while chat.forget_due(40) {}
    assert!(chat.room_count() < 20);
}

#[test]
fn what_is_sent_twice_is_said_once() {
    let mut chat = chat(&[]);
    let room = join(&mut chat, 0, "tea").unwrap();
    let author = Author::guest(PersonId(0));
    let mut send = |ms, sender: &Sender| {
        let draft = Draft {
            author: &author,
            owner: &here(),
            content: Content::Text,
            body: b"x",
            key: None,
            retain: false,
            ephemeral: false,
            dedup: Some(("d1", sender)),
            file: None,
            imported: None,
            condition: None,
            freshness: Default::default(),
        };
        publish(&mut chat, room, &draft, Now { ms, unix_ms: ms }).unwrap()
    };
    let alice = Sender::Person(PersonId(1));
    let holder = Sender::Owner(Owner::Holder("alice".into()));
    assert_eq!(send(0, &alice), (true, 1));
    assert_eq!(send(119_999, &alice), (false, 1));
    assert_eq!(
        send(119_999, &Sender::Owner(here())),
        (true, 2),
        "it is another's"
    );
    assert_eq!(send(119_999, &holder), (true, 3), "so is this");
    assert_eq!(send(120_000, &alice), (true, 4));
}

#[test]
fn someone_with_two_connections_is_one() {
    let mut chat = chat(&[]);
    let people = [0, 1, 2].map(|index| chat.begin_person(id(index)));
    let enter = |chat: &mut Chat, index: usize, person| {
        let id = id(index as u32);
        chat.join(id, person, Format::Json.into(), &name("tea"), &here(), 0)
            .unwrap()
    };
    for (index, person) in people.into_iter().enumerate() {
        enter(&mut chat, index, person);
    }
    chat.take_news(10_000);
    let token = chat.resume_token(people[0]).unwrap();
    let resumed = chat.login(id(1), people[1], Some(&token), None, 20_000);
    assert_eq!(resumed, Login::Done(people[0]));
    assert_eq!(chat.listed(&name("tea"), 9).1, 2);
    let (_, news) = chat.take_news(30_000).unwrap();
    assert_eq!((news.joined.len(), news.left.len(), news.count), (0, 1, 2));
    chat.check().unwrap();
}

/// Each event goes to everyone in the room: in a crowd they were a thousand times the crowd each second.
#[test]
fn the_larger_a_crowd_the_later_is_told_who_came() {
    let mut chat = chat(&["--max-per-person", "0"]);
    let enter = |chat: &mut Chat, index: u32, now_ms| {
        let person = chat.begin_person(id(index));
        chat.join(
            id(index),
            person,
            Format::Json.into(),
            &name("hall"),
            &here(),
            now_ms,
        )
        .unwrap();
    };
    for index in 0..3_000 {
        enter(&mut chat, index, 0);
    }
    let due_ms = |chat: &Chat| chat.news_due.first().map(|(due_ms, _)| *due_ms);
    assert_eq!(due_ms(&chat), Some(1_000), "the first was alone");
    assert!(chat.take_news(1_000).is_some());
    enter(&mut chat, 3_000, 1_000);
    assert_eq!(due_ms(&chat), Some(1_000 + 3_001));
    assert!(chat.take_news(4_000).is_none());
    assert!(chat.take_news(4_001).is_some());
    assert_eq!(chat.seat_count(), 3_001);
    chat.check().unwrap();
}

/// Who comes to a room later was told a former name of someone who had left it, was renamed and came back.
#[test]
fn who_comes_back_with_another_name_is_listed_anew() {
    let mut chat = chat(&[]);
    let person = chat.begin_person(id(0));
    let come = |chat: &mut Chat| {
        let format = Format::Json.into();
        chat.join(id(0), person, format, &name("hall"), &here(), 0)
            .unwrap()
    };
    let room = come(&mut chat);
    let before = chat.roster(room, 100);
    assert!(chat.leave(id(0), person, room, 0));
    let other = PersonName::parse("zo\u{eb}").unwrap();
    assert_eq!(chat.people.rename(person, &other), Ok(()));
    assert_eq!(come(&mut chat), room);
    let after = chat.roster(room, 100);
    assert_eq!(after.0, before.0);
    assert_ne!(after.1, before.1);
}

mod imported;
mod keyed;
mod reconfigure;
mod strangers;
mod vigil;

#[test]
fn a_room_does_not_end_while_something_is_on_its_way_into_it() {
    let mut chat = chat(&["--history-time", "1"]);
    let owner = here();
    let room = chat.find_or_create(&name("tea"), &owner, 0).unwrap();
    chat.on_append(room);
    assert!(!chat.forget_due(1_000_000));
    chat.check().unwrap();
    chat.on_appended(room, 1_000_000);
    chat.check().unwrap();
    assert!(chat.forget_due(2_000_000));
    assert_eq!(chat.find(&name("tea")), None);
}

#[test]
fn a_room_that_is_emptied_gives_up_its_name_and_still_takes_what_is_on_its_way() {
    let mut chat = chat(&[]);
    let owner = here();
    let before = chat.find_or_create(&name("tea"), &owner, 0).unwrap();
    say(&mut chat, before, "old", None, 0);
    chat.on_append(before);
    chat.end_if_empty(before);
    chat.check().unwrap();
    assert_eq!(chat.find(&name("tea")), None);
    let after = chat.find_or_create(&name("tea"), &owner, 0).unwrap();
    assert_ne!(chat.epoch(before), chat.epoch(after));
    say(&mut chat, before, "late", None, 0);
    assert!(chat.history(after, u64::MAX, 9).unwrap().0.is_empty());
    chat.on_appended(before, 0);
    chat.check().unwrap();
    assert_eq!(chat.room_name(before), None);
    assert_eq!(chat.find(&name("tea")), Some(after));
}
