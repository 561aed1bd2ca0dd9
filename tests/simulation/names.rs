//! How long a name stays someone's.

use parlor::limits::ABSENCE_MS;
use serde_json::{Value, json};

use crate::hall::{GuestId, Hall};
use crate::reader::Seen;

/// What the last event says that has come for a guest after this command.
fn ask(hall: &mut Hall, guest: GuestId, command: &Value) -> Value {
    hall.say(guest, 1, command.to_string().as_bytes());
    hall.tick(u64::MAX);
    match hall.read(guest).pop() {
        Some(Seen::Message { payload, .. }) => serde_json::from_slice(&payload).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_stays_theirs_who_lost_their_connection() {
    let mut hall = Hall::new(&["--ping-interval", "0"]);
    let [ana, other] = [(); 2].map(|()| {
        let guest = hall.connect(usize::MAX);
        hall.enter_json(guest);
        guest
    });
    let login = json!({"type": "login", "name": "ana"});
    assert_eq!(ask(&mut hall, ana, &login)["you"]["name"], "ana");
    hall.end(ana);
    hall.tick(u64::MAX);
    assert!(hall.is_gone(ana));
    hall.now.ms += ABSENCE_MS - 100;
    hall.tick(u64::MAX);
    assert_eq!(ask(&mut hall, other, &login)["code"], "name_taken");
    hall.now.ms += 100;
    hall.tick(u64::MAX);
    assert_eq!(ask(&mut hall, other, &login)["you"]["name"], "ana");
}
