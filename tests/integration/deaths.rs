//! Clients whose process is killed at any moment, with and without a reset.

use std::io::Write;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;

use crate::common::{
    BINARY, CLOSE, FIN, PING, Server, TEXT, frame, get, narrow, reset, upgrade, with_a_healthy_pair,
};

/// Hands the connection to a process, as the only one that has it, and kills the process.
fn kill_owner_of(stream: TcpStream) {
    let mut owner = Command::new("sleep")
        .arg("600")
        .stdin(Stdio::from(OwnedFd::from(stream)))
        .spawn()
        .unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
}

fn upgraded(then: &[u8]) -> Vec<u8> {
    [upgrade("/ws/deaths").as_bytes(), then].concat()
}

#[test]
fn at_any_moment() {
    let server = Server::start(&[]);
    let large = frame(FIN | BINARY, &[7; 60_000]);
    let moments = [
        Vec::new(),
        b"GET / HT".to_vec(),
        get("/page/app.js").into_bytes(),
        upgraded(b""),
        upgraded(&large[..1]),
        upgraded(&large[..5]),
        upgraded(&large[..30_000]),
        upgraded(&frame(TEXT, b"the first of several")),
        upgraded(&large.repeat(5)),
        upgraded(&frame(FIN | PING, b"hello").repeat(100)),
        upgraded(&frame(FIN | CLOSE, b"")),
    ];
    with_a_healthy_pair(&server, || {
        for round in 0..6 {
            for bytes in &moments {
                let mut stream = server.tcp();
                stream.write_all(bytes).unwrap();
                if round % 2 == 0 {
                    reset(&stream);
                }
                kill_owner_of(stream);
            }
        }
    });
}

/// A fan-out meets sockets that are gone, and queues that are full of what will never leave.
#[test]
fn while_messages_are_on_the_way() {
    let server = Server::start(&[]);
    let message = "m".repeat(60_000);
    with_a_healthy_pair(&server, || {
        let mut sender = server.client("/ws/deaths");
        let victims: Vec<TcpStream> = (0..20)
            .map(|_| {
                let mut stream = narrow(&server);
                stream.write_all(&upgraded(b"")).unwrap();
                stream
            })
            .collect();
        thread::scope(|scope| {
            let killing = scope.spawn(|| victims.into_iter().for_each(kill_owner_of));
            while !killing.is_finished() {
                sender.say(&message);
            }
        });
        sender.say("it goes on");
    });
}
