use super::*;

fn budget(length: u64) -> Budget {
    let budget = Budget::default();
    budget.begin_tick(length);
    budget
}

#[test]
fn a_stage_ends_when_its_share_is_spent() {
    let budget = budget(10_000);
    budget.enter(Stage::Members);
    assert!(budget.is_left());
    budget.spend(3_000);
    assert!(budget.is_left());
    budget.spend(3_000);
    assert!(!budget.is_left());
    budget.enter(Stage::Delivering);
    assert!(budget.is_left());
}

#[test]
fn the_first_piece_of_a_stage_is_always_allowed() {
    let budget = budget(0);
    for (stage, ..) in Stage::ALL {
        budget.enter(stage);
        assert!(budget.is_left());
        budget.spend(100);
        assert!(!budget.is_left());
    }
}

#[test]
fn what_a_stage_leaves_is_for_the_next() {
    let budget = budget(10_000);
    budget.enter(Stage::Closing);
    budget.spend(9_700);
    assert!(budget.is_left() && budget.is_left());
}

#[test]
fn a_turn_ends_before_its_stage_does() {
    let budget = budget(8_000_000);
    budget.enter(Stage::Members);
    assert!(budget.is_left());
    budget.begin_turn();
    assert!(budget.has_turn());
    budget.spend(1_000_000);
    assert!(!budget.has_turn());
    assert!(budget.is_left());
}

#[test]
fn the_clock_corrects_the_units() {
    let budget = Budget::default();
    budget.use_clock(|| 7);
    budget.begin_tick(1_000);
    budget.enter(Stage::Members);
    budget.spend(LOOK_EVERY);
    assert!(budget.is_left() && budget.is_left());
}

#[test]
fn a_long_tick_says_where_it_was_long() {
    let budget = budget(2_000_000);
    budget.enter(Stage::Members);
    budget.spend(3_000_000);
    budget.enter(Stage::Closing);
    budget.spend(20_000);
    assert!(budget.end_tick(4_000_000).is_none());
    let long = budget.end_tick(3_000_000).expect("it was longer");
    assert_eq!(
        long.to_string(),
        "long tick us=3020 members=3000 closing=20"
    );
}

#[test]
fn the_stages_stand_in_their_order_and_share_a_tick() {
    for (index, (stage, _, share)) in Stage::ALL.into_iter().enumerate() {
        assert_eq!(stage as usize, index);
        assert!(share > 0, "{stage:?}");
    }
    let all: u64 = Stage::ALL.iter().map(|(_, _, share)| share).sum();
    assert_eq!(all, 100);
}

#[test]
fn a_stage_has_its_share_after_one_that_took_too_long() {
    let budget = budget(10_000);
    budget.enter(Stage::Members);
    budget.spend(50_000);
    budget.enter(Stage::Answering);
    assert!(budget.is_left() && budget.is_left());
    budget.spend(1_200);
    assert!(!budget.is_left());
}

#[test]
fn a_long_piece_and_a_long_tick_are_found() {
    let one = budget(1_000);
    one.enter(Stage::Members);
    one.spend(501);
    assert!(one.check(500).is_err());
    let many = budget(0);
    many.enter(Stage::Members);
    for _ in 0..22 {
        many.spend(300);
        many.is_left();
    }
    assert!(many.check(400).is_err());
    assert!(many.check(600).is_ok());
}
