use std::collections::BTreeMap;

use proptest::prelude::*;

use super::one::BAD_REASON;
use super::*;
use crate::codec::json::ban::{AskedBan, BanTarget};
use crate::core::chat::{PersonName, RoomName};
use crate::core::now::Now;
use crate::limits::{MAX_BAN_REASON, MAX_BANS};

fn now(ms: u64) -> Now {
    Now {
        ms,
        unix_ms: 1_000_000 + ms,
    }
}

fn asked(whom: &str, room: Option<&str>, seconds: Option<u64>) -> Result<Ban, &'static str> {
    let is_address = whom.contains(['.', ':']);
    let asked = AskedBan {
        target: BanTarget {
            name: (!is_address).then(|| whom.into()),
            address: is_address.then(|| whom.into()),
            room: room.map(Into::into),
        },
        seconds,
        reason: Some(" spam ".into()),
    };
    Ban::asked(&asked, "root", now(0))
}

fn book(bans: &[(&str, Option<&str>)]) -> Bans {
    let mut book = Bans::default();
    for (whom, room) in bans {
        book.put(asked(whom, *room, None).unwrap(), now(0)).unwrap();
    }
    book
}

fn is_found(book: &Bans, name: &str, ip: &str, room: &str) -> bool {
    let name = PersonName::of_token(name).unwrap();
    let room = RoomName::parse(room);
    let found = book.find(Some(&name), Some(ip.parse().unwrap()), room.as_ref());
    found.is_some()
}

#[test]
fn a_person_is_found_by_names_that_look_the_same() {
    let book = book(&[("mallory", Some("tea")), ("trudy", None)]);
    let at = "192.0.2.1";
    assert!(is_found(&book, "mallory", at, "tea"));
    assert!(is_found(&book, "MALLORY", at, "tea"));
    assert!(!is_found(&book, "mallory", at, "coffee"));
    assert!(!is_found(&book, "bob", at, "tea"));
    assert!(is_found(&book, "trudy", at, "tea"));
    // No room: only what holds everywhere.
    let name = PersonName::of_token("mallory").unwrap();
    assert!(book.find(Some(&name), None, None).is_none());
}

#[test]
fn a_pattern_holds_in_its_rooms() {
    let book = book(&[("mallory", Some("plant-*"))]);
    assert!(is_found(&book, "mallory", "192.0.2.1", "plant-7"));
    assert!(!is_found(&book, "mallory", "192.0.2.1", "plan"));
}

#[test]
fn networks_have_any_prefix() {
    let book = book(&[
        ("192.0.2.7", None),
        ("198.51.100.0/24", None),
        ("2001:db8::1", None),
        ("2001:db8:1::/48", None),
    ]);
    for (ip, expected) in [
        ("192.0.2.7", true),
        ("::ffff:192.0.2.7", true),
        ("192.0.2.8", false),
        ("198.51.100.200", true),
        ("198.51.101.1", false),
        // One customer has all of a /64.
        ("2001:db8::ffff", true),
        ("2001:db8:0:1::1", false),
        ("2001:db8:1:ffff::1", true),
    ] {
        assert_eq!(is_found(&book, "bob", ip, "tea"), expected, "{ip}");
    }
    assert_eq!(book.check(), Ok(()));
}

#[test]
fn what_is_wrong_is_said() {
    for (whom, room, seconds, part) in [
        ("1.2.3", None, None, "address is one like"),
        ("10.0.0.0/33", None, None, "address is one like"),
        ("", None, None, "nobody can have this name"),
        ("mallory", Some("a room"), None, "no room can have"),
        ("mallory", None, Some(0), "leave it out"),
        ("mallory", None, Some(u64::MAX), "leave it out"),
    ] {
        let refused = asked(whom, room, seconds).unwrap_err();
        assert!(refused.contains(part), "{whom}: {refused}");
    }
    let both = BanTarget {
        name: Some("a".into()),
        address: Some("192.0.2.1".into()),
        room: None,
    };
    assert!(id_of_target(&both).is_err());
    let long = AskedBan {
        target: BanTarget {
            name: Some("a".into()),
            ..BanTarget::default()
        },
        seconds: None,
        reason: Some("x".repeat(MAX_BAN_REASON + 1).into()),
    };
    assert_eq!(Ban::asked(&long, "root", now(0)).unwrap_err(), BAD_REASON);
}

#[test]
fn the_longest_is_told_and_each_ends_in_its_time() {
    let mut book = Bans::default();
    for (room, seconds) in [(None, Some(10)), (Some("tea"), Some(20))] {
        let ban = asked("mallory", room, seconds).unwrap();
        book.put(ban, now(0)).unwrap();
    }
    let name = PersonName::of_token("mallory").unwrap();
    let tea = RoomName::parse("tea");
    let found = book.find(Some(&name), None, tea.as_ref()).unwrap();
    assert_eq!(found.record().until, Some(1_020_000));
    assert_eq!(book.next_end_ms(), Some(10_000));
    assert!(book.take_ended(9_999).is_none());
    assert!(book.take_ended(10_000).is_some());
    assert!(book.find(Some(&name), None, None).is_none());
    assert!(book.find(Some(&name), None, tea.as_ref()).is_some());
    // Another for the same takes its place.
    let again = asked("Mallory", Some("tea"), None).unwrap();
    book.put(again, now(0)).unwrap();
    assert_eq!((book.len(), book.next_end_ms()), (1, None));
    assert_eq!(book.check(), Ok(()));
}

#[test]
fn a_record_is_the_same_ban() {
    for (whom, room) in [
        ("mallory", Some("plant-*")),
        ("2001:db8::1", None),
        ("192.0.2.1", None),
    ] {
        let ban = asked(whom, room, Some(5)).unwrap();
        let again = Ban::of_record(ban.record().clone()).unwrap();
        assert_eq!((again.record(), again.id()), (ban.record(), ban.id()));
        assert_eq!(again.record().reason.as_deref(), Some("spam"));
    }
}

#[test]
fn there_are_so_many_at_most() {
    let mut book = Bans::default();
    let ban = |number: usize| {
        let [high, low] = [number / 250, number % 250];
        asked(&format!("10.0.{high}.{low}"), None, None).unwrap()
    };
    for number in 0..MAX_BANS {
        book.put(ban(number), now(0)).unwrap();
    }
    assert_eq!(book.put(ban(10_001), now(0)), Err(TooManyBans));
    assert_eq!(
        book.put(ban(3), now(0)),
        Ok(()),
        "one that is there changes"
    );
}

proptest! {
    #[test]
    fn the_book_is_as_a_list_of_all(
        steps in prop::collection::vec((0..3usize, 0..3usize, any::<bool>(), 0..4u64), 0..40)
    ) {
        const WHOM: [&str; 3] = ["mallory", "10.0.0.0/8", "10.1.0.0/16"];
        const ROOMS: [Option<&str>; 3] = [None, Some("tea"), Some("t*")];
        let mut book = Bans::default();
        let mut model: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for (whom, room, is_put, seconds) in steps {
            let ban = asked(WHOM[whom], ROOMS[room], Some(seconds + 1)).unwrap();
            if is_put {
                book.put(ban, now(0)).unwrap();
                model.insert((whom, room), seconds + 1);
            } else {
                let removed = book.remove(&ban.id()).is_some();
                prop_assert_eq!(removed, model.remove(&(whom, room)).is_some());
            }
            prop_assert_eq!(book.check(), Ok(()));
            let tea = model.keys().any(|(whom, _)| *whom == 0);
            let name = PersonName::of_token("mallory").unwrap();
            let found = book.find(Some(&name), None, RoomName::parse("tea").as_ref());
            prop_assert_eq!(found.is_some(), tea);
            let here = model.keys().any(|(whom, _)| *whom > 0);
            prop_assert_eq!(is_found(&book, "bob", "10.1.2.3", "tea"), here);
        }
        while book.take_ended(2_000).is_some() {}
        model.retain(|_, seconds| *seconds > 2);
        prop_assert_eq!(book.len(), model.len());
    }
}
