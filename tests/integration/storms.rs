//! Many at once, and ends at any moment.

use std::io::Write;

use crate::common::{
    CLOSE, FIN, Http, PING, RawClient, Server, TEXT, frame, get, reset, upgrade,
    with_a_healthy_pair,
};

#[test]
fn resets_at_any_moment() {
    let server = Server::start(&[]);
    let upgraded = |then: &[u8]| [upgrade("/ws").as_bytes(), then].concat();
    let moments = [
        Vec::new(),
        b"GET / HT".to_vec(),
        get("/page/app.js").into_bytes(),
        upgraded(b""),
        upgraded(&[FIN | TEXT]),
        upgraded(&frame(FIN | TEXT, b"hello")[..7]),
        upgraded(&frame(FIN | TEXT, b"hello").repeat(100)),
        upgraded(&frame(FIN | PING, b"hello").repeat(100)),
        upgraded(&frame(FIN | CLOSE, b"")),
    ];
    with_a_healthy_pair(&server, || {
        for round in 0..50 {
            for bytes in &moments {
                let mut stream = server.tcp();
                stream.write_all(bytes).unwrap();
                if round % 2 == 0 && bytes.ends_with(b"\r\n\r\n") {
                    Http::new(stream.try_clone().unwrap()).head();
                }
                reset(&stream);
            }
        }
    });
}

#[test]
fn resets_of_members_while_their_room_is_flooded() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        let mut sender = server.client("/ws/flood");
        for round in 0..20 {
            let victims: Vec<RawClient> = (0..10).map(|_| server.raw("/ws/flood")).collect();
            for (n, victim) in victims.iter().enumerate() {
                for _ in 0..n {
                    sender.say(&format!("{round:010000}"));
                }
                reset(victim.stream());
            }
        }
    });
}

#[test]
fn a_storm_of_connections_is_answered_to_the_last() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        let mut crowd: Vec<Http> = (0..1000).map(|_| server.http()).collect();
        for (n, http) in crowd.iter_mut().enumerate() {
            http.send(if n % 2 == 0 {
                get("/page/style.css")
            } else {
                upgrade("/ws/crowd")
            });
        }
        for (n, http) in crowd.iter_mut().enumerate() {
            if n % 2 == 0 {
                assert_eq!(http.response().status, 200);
            } else {
                assert_eq!(http.head().status, 101);
            }
        }
        for http in &crowd {
            reset(http.stream());
        }
    });
}

#[test]
fn a_message_reaches_a_thousand() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        let mut crowd: Vec<RawClient> = (0..1000).map(|_| server.raw("/ws/crowd")).collect();
        for round in 0..3 {
            let sender = round * 400;
            crowd[sender].send_frame(FIN | TEXT, b"hello, all of you");
            for member in &mut crowd {
                member.expect(FIN | TEXT, b"hello, all of you");
            }
        }
        drop(crowd);
    });
}
