//! What others can make the server remember is bounded.

use std::io::Write;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use crate::common::{
    BINARY, CLOSE, Client, FIN, RawClient, Server, frame, get, narrow, noise, with_a_healthy_pair,
};

const MIB: u64 = 1 << 20;

#[test]
fn queued_bytes_of_all_stay_within_the_budget() {
    const ROOMS: usize = 4;
    let server = Server::start(&["--max-memory", "4194304", "--max-queue", "1000000000"]);
    with_a_healthy_pair(&server, || {
        let before = server.resident_bytes();
        let stalled: Vec<Client> = (0..ROOMS)
            .map(|room| Client::over(narrow(&server), &format!("/ws/{room}")).unwrap())
            .collect();
        thread::scope(|scope| {
            for room in 0..ROOMS {
                let mut sender = server.client(&format!("/ws/{room}"));
                scope.spawn(move || {
                    // 12 MiB, of which the kernel takes 4 for the one that is not read.
                    for n in 0..192 {
                        let message = noise(n, 64 << 10);
                        sender.send(message.clone());
                        sender.expect(message);
                    }
                });
            }
        });
        let grown = server.resident_bytes().saturating_sub(before);
        assert!(
            grown < 12 * MIB,
            "{grown} bytes, with a budget of {}",
            4 * MIB
        );
        drop(stalled);
    });
}

/// Nobody but those who are cut off takes anything, so that nothing leaves by itself.
#[test]
fn a_budget_that_unfinished_messages_use_up() {
    let server = Server::start(&["--max-memory", "4194304", "--close-timeout", "1"]);
    with_a_healthy_pair(&server, || {
        let part = frame(FIN | BINARY, &[7; 65_000]);
        let part = &part[..64_000];
        let mut crowd: Vec<RawClient> = (0..150)
            .map(|n| {
                let client = server.raw(&format!("/ws/{n}"));
                let _ = client.stream().write_all(part);
                client
            })
            .collect();
        let mut told = 0;
        for client in &mut crowd {
            client.stream().shutdown(Shutdown::Write).unwrap();
            let mut code = [0; 2];
            if let Some(close) = client.try_next() {
                assert_eq!(close.first, FIN | CLOSE);
                code.copy_from_slice(&close.payload[..2]);
            }
            told += usize::from(u16::from_be_bytes(code) == 1013);
        }
        assert!(told > 0, "nobody was told");
    });
}

#[test]
fn answers_that_nobody_reads_are_not_piled_up() {
    let server = Server::start(&[]);
    let mut healthy = server.client("/ws/quiet");
    let before = server.resident_bytes();
    let mut unread = server.tcp();
    unread
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    // Each asks for far more than it is long. Writing stops when the server reads no further.
    let requests = get("/page/app.js").repeat(1000);
    for _ in 0..200 {
        if unread.write_all(requests.as_bytes()).is_err() {
            break;
        }
    }
    healthy.say("still here");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 8 * MIB, "{grown} bytes of answers");
}

#[test]
fn a_message_larger_than_the_queue_passes_an_empty_one() {
    let server = Server::start(&["--max-queue", "1000"]);
    let mut pair = (server.client("/ws"), server.client("/ws"));
    for n in 0..10 {
        let message = noise(n, 60_000);
        pair.0.send(message.clone());
        pair.0.expect(message.clone());
        pair.1.expect(message);
    }
}
