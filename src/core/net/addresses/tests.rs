use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn addresses(flags: &[&str]) -> Addresses {
    Addresses::new(&Limits::of_flags(flags))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Someone connects from here, and stays if they may.
fn connect(addresses: &mut Addresses, from: &str, now_ms: u64) -> Result<(), AdmissionError> {
    let Some(network) = addresses.network(ip(from)) else {
        return Ok(());
    };
    addresses.may_connect(network, now_ms)?;
    addresses.enter(network);
    Ok(())
}

fn leave(addresses: &mut Addresses, from: &str, now_ms: u64) {
    let network = addresses.network(ip(from)).unwrap();
    addresses.leave(network, now_ms);
}

#[test]
fn an_address_has_so_many_connections() {
    let mut addresses = addresses(&["--max-per-address", "2"]);
    for _ in 0..2 {
        assert_eq!(connect(&mut addresses, "192.0.2.1", 0), Ok(()));
    }
    assert_eq!(
        connect(&mut addresses, "192.0.2.1", 0),
        Err(AdmissionError::TooMany)
    );
    assert_eq!(connect(&mut addresses, "192.0.2.2", 0), Ok(()));
    leave(&mut addresses, "192.0.2.1", 0);
    assert_eq!(connect(&mut addresses, "192.0.2.1", 0), Ok(()));
}

#[test]
fn an_address_comes_so_often() {
    let mut addresses = addresses(&["--connect-rate", "10"]);
    let mut come = |now_ms| {
        let result = connect(&mut addresses, "192.0.2.1", now_ms);
        result
            .is_ok()
            .then(|| leave(&mut addresses, "192.0.2.1", now_ms));
        result
    };
    for _ in 0..20 {
        assert_eq!(come(5_000), Ok(()));
    }
    assert_eq!(come(5_000), Err(AdmissionError::TooFast));
    assert_eq!(come(5_099), Err(AdmissionError::TooFast));
    assert_eq!(come(5_100), Ok(()));
    assert_eq!(come(5_100), Err(AdmissionError::TooFast));
    assert_eq!(
        (0..30).filter(|_| come(100_000).is_ok()).count(),
        20,
        "no more than a burst was saved up"
    );
}

#[test]
fn an_address_may_fail_with_so_many_tokens() {
    let mut addresses = addresses(&["--max-failed-tokens", "3"]);
    let [guesser, other] = ["192.0.2.1", "192.0.2.2"].map(ip);
    for _ in 0..3 {
        assert!(addresses.may_try_token(guesser, 1_000));
        addresses.on_failed_token(guesser, 1_000);
    }
    for now_ms in [1_000, 20_999] {
        assert!(!addresses.may_try_token(guesser, now_ms));
        assert!(addresses.may_try_token(other, now_ms));
        // Those that are not looked at cost no more.
        addresses.on_failed_token(guesser, now_ms);
    }
    assert!(addresses.may_try_token(guesser, 21_000));
    // To connect and to go again does not make it forgotten.
    connect(&mut addresses, "192.0.2.1", 21_000).unwrap();
    addresses.on_failed_token(guesser, 21_000);
    leave(&mut addresses, "192.0.2.1", 21_000);
    for _ in 0..10 {
        addresses.tidy(40_999);
    }
    assert!(!addresses.may_try_token(guesser, 40_999));
    for _ in 0..10 {
        addresses.tidy(81_000);
    }
    assert_eq!(addresses.count(), 0);
}

#[test]
fn zero_is_no_limit() {
    let flags = [
        "--max-per-address",
        "0",
        "--connect-rate",
        "0",
        "--max-failed-tokens",
        "0",
    ];
    let mut addresses = addresses(&flags);
    for _ in 0..50 {
        addresses.on_failed_token(ip("192.0.2.1"), 0);
        assert!(addresses.may_try_token(ip("192.0.2.1"), 0));
    }
    for _ in 0..5_000 {
        assert_eq!(connect(&mut addresses, "192.0.2.1", 0), Ok(()));
    }
}

#[test]
fn ipv6_counts_by_64_bits_and_ipv4_as_itself() {
    let network = |text| addresses(&[]).network(ip(text)).unwrap();
    assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::"));
    assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    assert_ne!(network("::c000:201"), network("192.0.2.1"));
}

#[test]
fn this_machine_and_trusted_proxies_are_not_limited() {
    let flags = [
        "--trusted-proxy",
        "10.0.0.0/8",
        "--trusted-proxy",
        "2001:db8::1",
    ];
    let addresses = addresses(&flags);
    for exempt in [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::ffff:127.0.0.1",
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "2001:db8::1",
    ] {
        assert_eq!(addresses.network(ip(exempt)), None, "{exempt}");
        assert!(addresses.may_try_token(ip(exempt), 0));
    }
    for counted in ["11.0.0.1", "2001:db8::2", "192.168.0.1", "0.0.0.0", "::"] {
        assert_ne!(addresses.network(ip(counted)), None, "{counted}");
    }
}

#[test]
fn who_has_gone_is_forgotten_when_nothing_is_left_to_know() {
    let mut addresses = addresses(&["--connect-rate", "10"]);
    for n in 1..=100 {
        let from = format!("192.0.2.{n}");
        connect(&mut addresses, &from, 0).unwrap();
        leave(&mut addresses, &from, 0);
    }
    assert_eq!(addresses.count(), 100);
    // A hundred milliseconds bring the one token back. Someone else's coming and going cleans up.
    for _ in 0..100 {
        connect(&mut addresses, "198.51.100.1", 100).unwrap_or_default();
    }
    assert_eq!(addresses.count(), 1);
}

#[test]
fn a_whole_ipv6_network_of_strangers_fills_no_memory() {
    let mut addresses = addresses(&["--connect-rate", "1"]);
    connect(&mut addresses, "192.0.2.1", 0).unwrap();
    for n in 0..3 * MAX_QUIET_ADDRESSES as u128 {
        let network = Network::of(IpAddr::V6((n << 64 | 1 << 125).into()));
        assert_eq!(addresses.may_connect(network, 0), Ok(()));
        addresses.enter(network);
        addresses.leave(network, 0);
    }
    assert!(addresses.count() <= MAX_QUIET_ADDRESSES + 2);
    assert_eq!(
        addresses.known[&Network::of(ip("192.0.2.1"))].connections,
        1,
        "who is here is not forgotten"
    );
}

#[test]
fn an_account_is_small() {
    assert!(size_of::<(Network, Account)>() <= 48);
}

/// What is said of one address by someone who has forgotten nothing.
#[derive(Default)]
struct Model {
    connections: usize,
    /// When those came who were let in.
    came: Vec<u64>,
}

impl Model {
    /// Whether, in each stretch of time that ends now, no more came than a burst and what the rate brings.
    fn may_come(&self, now_ms: u64, rate: u64) -> bool {
        (0..self.came.len()).all(|first| {
            let passed_ms = now_ms - self.came[first];
            let count = (self.came.len() - first + 1) as u64;
            count <= 2 * rate + passed_ms * rate / 1000
        })
    }
}

proptest! {
    /// Among comings and goings of a few, the table does what one does that never forgets; and it forgets all of them.
    #[test]
    fn the_table_is_as_one_that_never_forgets(
        steps in prop::collection::vec((0..4usize, 0..4u8, 0..150u64), 0..300),
        // Of which each brings a token in whole milliseconds, so that the model is exact.
        rate in prop::sample::select(vec![2_u64, 4, 5, 10]),
    ) {
        let rate_flag = rate.to_string();
        let mut addresses = addresses(&["--max-per-address", "3", "--connect-rate", &rate_flag]);
        let people = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"];
        let mut models: [Model; 4] = Default::default();
        let mut now_ms = 1_000;
        for (who, what, later) in steps {
            now_ms += later;
            let model = &mut models[who];
            if what == 0 && model.connections > 0 {
                model.connections -= 1;
                leave(&mut addresses, people[who], now_ms);
            } else {
                let expected = if model.connections >= 3 {
                    Err(AdmissionError::TooMany)
                } else if model.may_come(now_ms, rate) {
                    Ok(())
                } else {
                    Err(AdmissionError::TooFast)
                };
                prop_assert_eq!(connect(&mut addresses, people[who], now_ms), expected);
                if expected.is_ok() {
                    model.connections += 1;
                    model.came.push(now_ms);
                }
            }
            let counted = people.iter().zip(&models).filter(|(_, model)| model.connections > 0);
            let counted = counted.map(|(from, model)| (Network::of(ip(from)), model.connections as u32));
            prop_assert_eq!(addresses.check(&counted.collect()), Ok(()));
        }
        for (from, model) in people.iter().zip(&models) {
            for _ in 0..model.connections {
                leave(&mut addresses, from, now_ms);
            }
        }
        for _ in 0..10 {
            addresses.tidy(now_ms + 10_000);
        }
        prop_assert_eq!(addresses.count(), 0);
    }

    #[test]
    fn a_network_is_its_first_64_bits(one: u128, other: u128) {
        let networks: BTreeSet<Network> = [one, other]
            .map(|bits| Network::of(IpAddr::V6((bits | 1 << 127).into())))
            .into();
        prop_assert_eq!(networks.len() == 1, (one | 1 << 127) >> 64 == (other | 1 << 127) >> 64);
    }
}
