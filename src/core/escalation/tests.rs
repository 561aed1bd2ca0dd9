use super::*;

const MINUTE_MS: u64 = 60_000;

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn at(ms: u64) -> Now {
    Now {
        ms,
        unix_ms: 1_000_000_000 + ms,
    }
}

fn rule(rooms: &str, severity: Severity, steps: &[u64]) -> Escalation {
    Escalation {
        rooms: vec![rooms.to_owned()],
        severity,
        after_ms: 5 * MINUTE_MS,
        repeat_ms: 10 * MINUTE_MS,
        steps: steps.iter().map(|key| Step::Webhook(*key)).collect(),
    }
}

fn raised(severity: Severity, raised_at: u64) -> OpenAlarm {
    OpenAlarm {
        severity,
        raised_at,
    }
}

/// With two steps for critical alarms of the plant.
fn plant() -> Escalations {
    let mut escalations = Escalations::default();
    escalations.set_rules(vec![rule("plant-*", Severity::Critical, &[1, 2])]);
    escalations
}

/// What is told of one alarm until then: minutes, whom, the step, and which repetition.
fn told_until(
    escalations: &mut Escalations,
    alarm: OpenAlarm,
    end: u64,
) -> Vec<(u64, u64, u64, u64)> {
    let mut told = Vec::new();
    while let Some(ms) = escalations.next_ms().filter(|ms| *ms <= end * MINUTE_MS) {
        let (room, key) = escalations.take_due(ms).unwrap();
        if let Some(telling) = escalations.tell((&room, &key), alarm, ms) {
            let Step::Webhook(webhook) = telling.to else {
                panic!("a webhook is expected");
            };
            told.push((ms / MINUTE_MS, webhook, telling.step, telling.repeat));
        }
    }
    told
}

#[test]
fn each_step_has_its_time_and_the_last_is_repeated() {
    let mut escalations = plant();
    let alarm = raised(Severity::Critical, 7);
    let place = (&room("plant-1"), "alarm.pump");
    escalations.note(place, Some(alarm), 0, at(0));
    assert_eq!(escalations.next_ms(), Some(5 * MINUTE_MS));
    assert_eq!(
        told_until(&mut escalations, alarm, 31),
        [(5, 1, 1, 0), (10, 2, 2, 0), (20, 2, 2, 1), (30, 2, 2, 2)]
    );
    // A monitor says again that it goes on: nothing begins anew.
    escalations.note(place, Some(alarm), 0, at(31 * MINUTE_MS));
    assert_eq!(told_until(&mut escalations, alarm, 40), [(40, 2, 2, 3)]);
    escalations.note(place, None, 0, at(41 * MINUTE_MS));
    assert_eq!(escalations.next_ms(), None, "it is acknowledged");
}

#[test]
fn an_alarm_that_is_raised_anew_begins_anew() {
    let mut escalations = plant();
    let place = (&room("plant-1"), "alarm.pump");
    escalations.note(place, Some(raised(Severity::Critical, 7)), 0, at(0));
    let again = raised(Severity::Critical, 8);
    escalations.note(place, Some(again), 0, at(4 * MINUTE_MS));
    assert_eq!(told_until(&mut escalations, again, 9), [(9, 1, 1, 0)]);
    // What is raised when something is due may be one that was raised at another server.
    let other = raised(Severity::Critical, 9);
    assert_eq!(told_until(&mut escalations, other, 60), []);
    assert_eq!(escalations.next_ms(), None);
}

#[test]
fn the_first_that_is_for_an_alarm_counts() {
    let mut escalations = plant();
    let place = (&room("plant-1"), "alarm.pump");
    escalations.note(place, Some(raised(Severity::Warning, 7)), 0, at(0));
    let elsewhere = (&room("tea"), "alarm.pump");
    escalations.note(elsewhere, Some(raised(Severity::Critical, 7)), 0, at(0));
    assert_eq!(escalations.next_ms(), None);
    let rules = [
        rule("plant-1", Severity::Critical, &[3]),
        rule("*", Severity::Info, &[4]),
    ];
    escalations.set_rules(rules.to_vec());
    let warning = raised(Severity::Warning, 7);
    escalations.note(place, Some(warning), 0, at(0));
    assert_eq!(told_until(&mut escalations, warning, 5), [(5, 4, 1, 0)]);
    // It gets worse: another is for it, which begins with its first step.
    let worse = raised(Severity::Critical, 7);
    escalations.note(place, Some(worse), 0, at(6 * MINUTE_MS));
    assert_eq!(told_until(&mut escalations, worse, 15), [(11, 3, 1, 0)]);
    escalations.set_rules(Vec::new());
    assert_eq!(escalations.next_ms(), None);
}

#[test]
fn what_has_become_less_bad_elsewhere_is_forgotten() {
    let mut escalations = plant();
    let place = (&room("plant-1"), "alarm.pump");
    escalations.note(place, Some(raised(Severity::Critical, 7)), 0, at(0));
    let warning = raised(Severity::Warning, 7);
    assert_eq!(told_until(&mut escalations, warning, 60), []);
    assert!(escalations.next_ms().is_none() && escalations.open.is_empty());
}

#[test]
fn after_a_restart_each_step_that_was_due_is_told_once_more() {
    let mut escalations = plant();
    let alarm = raised(Severity::Critical, 7);
    let place = (&room("plant-1"), "alarm.pump");
    // This server began half an hour after it was raised.
    escalations.note(place, Some(alarm), 31 * MINUTE_MS, at(0));
    assert_eq!(
        told_until(&mut escalations, alarm, 9),
        [(0, 1, 1, 0), (0, 2, 2, 2), (9, 2, 2, 3)]
    );
}

#[test]
fn what_has_no_room_yet_is_looked_for_again() {
    let mut escalations = plant();
    let alarm = raised(Severity::Critical, 7);
    escalations.note((&room("plant-1"), "alarm.pump"), Some(alarm), 0, at(0));
    let due_ms = 5 * MINUTE_MS;
    assert!(escalations.take_due(due_ms - 1).is_none());
    assert!(escalations.take_due(due_ms).is_some());
    assert!(escalations.take_due(due_ms).is_none());
    assert_eq!(escalations.next_ms(), Some(due_ms + ESCALATION_RETRY_MS));
    assert_eq!(told_until(&mut escalations, alarm, 6), [(5, 1, 1, 0)]);
}

#[test]
fn the_next_server_goes_on_where_this_one_was() {
    let mut before = plant();
    let alarm = raised(Severity::Critical, 7);
    before.note((&room("plant-1"), "alarm.pump"), Some(alarm), 0, at(0));
    assert_eq!(told_until(&mut before, alarm, 6), [(5, 1, 1, 0)]);
    let bytes = rmp_serde::to_vec_named(&before.state()).unwrap();
    let mut after = plant();
    after.take_over(rmp_serde::from_slice(&bytes).unwrap());
    assert_eq!(told_until(&mut after, alarm, 12), [(10, 2, 2, 0)]);
}

#[test]
fn that_nobody_is_reached_is_new_once_of_each_alarm() {
    let mut escalations = plant();
    let place = (&room("plant-1"), "alarm.pump");
    for raised_at in [7, 8] {
        let alarm = raised(Severity::Critical, raised_at);
        escalations.note(place, Some(alarm), 0, at(0));
        assert!(escalations.miss(place) && !escalations.miss(place));
    }
}

#[test]
fn a_flood_of_alarms_takes_the_place_of_its_room() {
    let mut escalations = plant();
    let flood = room("plant-flood");
    let alarm = raised(Severity::Critical, 7);
    for index in 0..MAX_ESCALATED_ROOM + 10 {
        let key = format!("alarm.{index}");
        escalations.note((&flood, &key), Some(alarm), 0, at(0));
    }
    assert_eq!(escalations.open.len(), MAX_ESCALATED_ROOM);
    escalations.note((&room("plant-1"), "alarm.pump"), Some(alarm), 0, at(0));
    assert_eq!(escalations.open.len(), MAX_ESCALATED_ROOM + 1);
    assert_eq!(escalations.due.len(), escalations.open.len());
}

#[test]
fn an_alarm_that_gets_worse_begins_with_the_first_step_of_the_other_table() {
    let mut escalations = Escalations::default();
    escalations.set_rules(vec![
        rule("plant-*", Severity::Critical, &[1, 2]),
        rule("plant-*", Severity::Info, &[3]),
    ]);
    let room = RoomName::parse("plant-1").unwrap();
    let place = (&room, "alarm.pump");
    let warning = raised(Severity::Warning, 7);
    escalations.note(place, Some(warning), 0, at(0));
    assert_eq!(
        told_until(&mut escalations, warning, 16),
        [(5, 3, 1, 0), (15, 3, 1, 1)]
    );
    let worse = raised(Severity::Critical, 7);
    escalations.note(place, Some(worse), 0, at(20 * MINUTE_MS));
    assert_eq!(
        told_until(&mut escalations, worse, 31),
        [(25, 1, 1, 0), (30, 2, 2, 0)]
    );
}

#[test]
fn other_steps_of_the_settings_are_told_from_the_first_on() {
    let mut escalations = plant();
    let room = RoomName::parse("plant-1").unwrap();
    let alarm = raised(Severity::Critical, 7);
    escalations.note((&room, "alarm.pump"), Some(alarm), 0, at(0));
    assert_eq!(
        told_until(&mut escalations, alarm, 10),
        [(5, 1, 1, 0), (10, 2, 2, 0)]
    );
    escalations.set_rules(vec![rule("plant-*", Severity::Critical, &[1, 2])]);
    assert_eq!(told_until(&mut escalations, alarm, 11), []);
    escalations.set_rules(vec![rule("plant-*", Severity::Critical, &[8, 9])]);
    let told: Vec<u64> = told_until(&mut escalations, alarm, 12)
        .iter()
        .map(|it| it.1)
        .collect();
    assert_eq!(told, [8, 9]);
}
