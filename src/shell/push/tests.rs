use std::net::TcpListener;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::*;
use crate::core::push::{Keys, Urgency, VapidKey};

struct Loop {
    poll: Poll,
    sender: PushSender,
}

impl Loop {
    fn new() -> Self {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let key = VapidKey::from_pem(VapidKey::generate_pem().unwrap()).unwrap();
        let means = Means {
            key: key.public_text(),
            agent: Client::plain(&["127.0.0.1/32".parse().unwrap()]).agent(PUSH_TIMEOUT_MS),
            signer: Signer::new(key, "mailto:ops@example.org"),
        };
        Self {
            poll,
            sender: PushSender::new(means, waker),
        }
    }

    /// The next outcome, waited for as the loop does.
    fn outcome(&mut self) -> PushOutcome {
        while !self.sender.has_outcome() {
            let mut events = Events::with_capacity(1);
            let timeout = Duration::from_secs(30);
            self.poll.poll(&mut events, Some(timeout)).unwrap();
            assert!(!events.is_empty(), "the loop is not woken");
        }
        self.sender.next.take().unwrap()
    }
}

fn call(number: u64, endpoint: &str) -> PushCall {
    let public = VapidKey::from_pem(VapidKey::generate_pem().unwrap());
    PushCall {
        number,
        endpoint: endpoint.into(),
        keys: Keys {
            public: public.unwrap().public(),
            auth: [7; 16],
        },
        payload: Box::from(*b"{}"),
        ttl_s: 60,
        urgency: Urgency::High,
        topic: "".into(),
    }
}

fn why(outcome: &PushOutcome) -> &str {
    match &outcome.result {
        PushResult::Failed(why) => why,
        PushResult::Answered { .. } => panic!("{outcome:?}"),
    }
}

#[test]
fn calls_that_cannot_be_made_say_why() {
    let mut it = Loop::new();
    for (endpoint, said) in [
        ("https://10.1.2.3/send", "--webhook-allow 10.1.2.3"),
        ("http://127.0.0.1/send", "begins with https://"),
    ] {
        it.sender.make(call(1, endpoint)).unwrap();
        let outcome = it.outcome();
        assert!(why(&outcome).contains(said), "{outcome:?}");
    }
    let mut wrong = call(2, "https://127.0.0.1/send");
    wrong.keys.public = [4; 65];
    it.sender.make(wrong).unwrap();
    assert!(why(&it.outcome()).contains("cannot be encrypted"));
    assert_eq!(it.sender.threads, 1, "one after the other");
}

/// It accepts no connection, so that nothing of TLS is ever answered: its calls do not end before the test.
#[test]
fn calls_that_hang_leave_threads_for_the_others() {
    let mut it = Loop::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = format!("https://{}/send", listener.local_addr().unwrap());
    for number in 1..MAX_PUSH_CALLS as u64 {
        it.sender.make(call(number, &hanging)).unwrap();
    }
    for number in 100..110 {
        it.sender
            .make(call(number, "https://10.1.2.3/send"))
            .unwrap();
        assert_eq!(it.outcome().number, number);
    }
    assert_eq!(it.sender.threads, MAX_PUSH_CALLS);
}
