//! The production core on sockets in memory and a clock of its own, in runs that a seed decides.
//!
//! A run that fails is made smaller, and repeated step by step, with `PARLOR_SEED` as the failure prints it.

mod addresses;
mod arrivals;
mod charges;
mod chat;
mod client;
mod conditions;
mod datagrams;
mod feeds;
mod files;
mod guard;
mod habits;
mod hall;
mod handover;
mod imports;
mod loads;
mod model;
mod names;
mod nodes;
mod pace;
mod payloads;
mod plan;
mod posts;
mod pushes;
mod random;
mod reader;
mod reconfigure;
mod record;
mod redis_model;
mod redis_nodes;
#[expect(dead_code, reason = "other tests ask for more of it")]
#[path = "../integration/common/redis.rs"]
mod redis_server;
mod regressions;
mod restarts;
mod socket;
mod store;
mod stores;
mod strangers;
mod ticks;
mod units;
mod values;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chat::{ChatPlan, ChatWorld};
use model::Checked;
use plan::Plan;
use world::{Variation, World};

/// What a seed decides, and can be run whole or in part.
trait Scenario: std::fmt::Debug {
    fn clients(&self) -> usize;
    /// Says how it went, and what happened if that is traced.
    fn try_out(&self, variation: &Variation) -> (Checked, Vec<String>);
}

impl Scenario for Plan {
    fn clients(&self) -> usize {
        self.clients
    }

    fn try_out(&self, variation: &Variation) -> (Checked, Vec<String>) {
        let (result, world) = run(self, variation);
        (result, world.trace)
    }
}

impl Scenario for ChatPlan {
    fn clients(&self) -> usize {
        self.clients
    }

    fn try_out(&self, variation: &Variation) -> (Checked, Vec<String>) {
        let mut world = ChatWorld::new(self.clone(), variation);
        let result = catch(|| world.run());
        (result, world.trace())
    }
}

/// A panic is a failure like others.
fn catch(run: impl FnOnce() -> Checked) -> Checked {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

fn run(plan: &Plan, variation: &Variation) -> (Checked, World) {
    let mut world = World::new(plan.clone(), variation.clone());
    let result = catch(|| world.run());
    (result, world)
}

/// Runs what `plan` makes of each seed, or of the one that is to be repeated.
fn run_all<P: Scenario>(name: &str, seeds: std::ops::Range<u64>, plan: fn(u64) -> P) {
    if let Some((seed, only)) = seed_to_repeat(name) {
        return repeat(seed, &plan(seed), only);
    }
    for seed in seeds {
        if let (Err(error), _) = plan(seed).try_out(&Variation::default()) {
            let only = shrink(&plan(seed));
            let places: Vec<String> = only.iter().map(ToString::to_string).collect();
            panic!(
                "seed {seed}: {error}\nrepeat with PARLOR_SEED={name}:{seed}:{} cargo test --test simulation {name}",
                places.join(",")
            );
        }
    }
}

/// Leaves out who is not needed for a run to fail.
fn shrink(plan: &impl Scenario) -> Vec<usize> {
    let mut only: Vec<usize> = (0..plan.clients()).collect();
    let give_up = Instant::now() + Duration::from_secs(20);
    for place in 0..plan.clients() {
        let fewer: Vec<usize> = only.iter().copied().filter(|&it| it != place).collect();
        let variation = Variation {
            only: Some(fewer.clone()),
            ..Variation::default()
        };
        if Instant::now() < give_up && plan.try_out(&variation).0.is_err() {
            only = fewer;
        }
    }
    only
}

/// `PARLOR_SEED=name:seed:places`
fn seed_to_repeat(name: &str) -> Option<(u64, Vec<usize>)> {
    let wish = std::env::var("PARLOR_SEED").ok()?;
    let mut parts = wish.split(':');
    if parts.next() != Some(name) {
        return None;
    }
    let seed = parts.next()?.parse().expect("PARLOR_SEED holds a number");
    let places = parts.next().unwrap_or_default().split(',');
    Some((
        seed,
        places.filter_map(|place| place.parse().ok()).collect(),
    ))
}

fn repeat(seed: u64, plan: &impl Scenario, only: Vec<usize>) {
    let only = (!only.is_empty()).then_some(only);
    let variation = Variation {
        only,
        traces: true,
        ..Variation::default()
    };
    let (result, trace) = plan.try_out(&variation);
    println!("{plan:#?}");
    for line in &trace {
        println!("{}", line.chars().take(240).collect::<String>());
    }
    result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

#[test]
fn runs() {
    run_all("runs", 0..2500, Plan::new);
}

#[test]
fn crowds() {
    run_all("crowds", 0..4, Plan::crowd);
}

#[test]
fn halls() {
    run_all("halls", 0..150, Plan::hall);
}

#[test]
fn floods() {
    run_all("floods", 0..10, Plan::flood);
}

#[test]
fn chats() {
    run_all("chats", 0..1000, ChatPlan::new);
}

/// A reader, of whichever door, that loses its connection after any byte comes back to all that it has not seen.
#[test]
fn cuts() {
    let mut lengths = 0;
    for seed in 0..4 {
        let mut plan = ChatPlan::to_be_cut(seed);
        let mut world = ChatWorld::new(plan.clone(), &Variation::default());
        catch(|| world.run()).unwrap_or_else(|error| panic!("seed {seed}, not cut: {error}"));
        let length = world.read_count_of_last();
        lengths += length;
        for cut in 1..length {
            plan.cut = Some(cut);
            let mut world = ChatWorld::new(plan.clone(), &Variation::default());
            catch(|| world.run())
                .unwrap_or_else(|error| panic!("seed {seed}, cut after {cut} bytes: {error}"));
        }
    }
    assert!(lengths > 2000, "only {lengths} bytes to cut");
}

#[test]
fn who_stalls_changes_nothing_for_the_others() {
    for seed in 0..200 {
        let plan = Plan::steady(seed);
        let worlds = [true, false].map(|reads| {
            let variation = Variation {
                listeners: Some(reads),
                ..Variation::default()
            };
            let (result, world) = run(&plan, &variation);
            result.unwrap_or_else(|error| panic!("seed {seed}, listeners read: {reads}: {error}"));
            world
        });
        let [reading, stalled] = worlds.each_ref().map(World::transcripts_of_speakers);
        let differs = reading
            .iter()
            .zip(&stalled)
            .position(|(one, other)| one != other);
        assert_eq!(
            differs, None,
            "seed {seed}: a speaker has read something else"
        );
        assert_eq!(reading.len(), stalled.len(), "seed {seed}");
        assert!(seed != 0 || !reading.is_empty(), "nobody spoke");
    }
}

#[test]
fn a_seed_gives_the_same_run() {
    for seed in 0..20 {
        let [first, second] = [(); 2].map(|()| run(&Plan::new(seed), &Variation::default()).1);
        assert!(first.transcripts().eq(second.transcripts()), "seed {seed}");
    }
}

/// So that the runs above show what they are to show.
#[test]
fn servers_take_over_in_many_runs() {
    let runs = (0..60).map(|seed| {
        run(&Plan::new(seed), &Variation::default())
            .1
            .handover_count()
    });
    let chats = (0..60).map(|seed| {
        let mut world = ChatWorld::new(ChatPlan::new(seed), &Variation::default());
        assert_eq!(catch(|| world.run()), Ok(()), "seed {seed}");
        world.handover_count()
    });
    for counts in [runs.collect::<Vec<_>>(), chats.collect()] {
        let all: usize = counts.iter().sum();
        assert!(all >= 100, "{counts:?}");
    }
}

/// Runs and chats for as many seconds as `PARLOR_SOAK` says, `0` being forever, on seeds of its own; says how fast.
#[test]
fn soak() {
    let Ok(seconds) = std::env::var("PARLOR_SOAK") else {
        return;
    };
    let seconds: u64 = seconds.parse().expect("PARLOR_SOAK holds seconds");
    let began = Instant::now();
    let first = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis() as u64);
    for seed in first.. {
        run_all("runs", seed..seed + 1, Plan::new);
        run_all("chats", seed..seed + 1, ChatPlan::new);
        let (count, elapsed) = (seed - first + 1, began.elapsed());
        if count.is_multiple_of(500) {
            println!(
                "{count} seeds from {first} on, {:.0} per second",
                count as f64 / elapsed.as_secs_f64()
            );
        }
        if seconds > 0 && elapsed.as_secs() >= seconds {
            return;
        }
    }
}
