//! Files that come and go beside whoever keeps them, who may be slow, and may fail: what is acknowledged can be had again, what
//! is broken off leaves nothing, and nobody holds more memory than they may.

use std::collections::{BTreeMap, VecDeque};

use parlor::core::file::{FileAnswer, FileId, FileRequest, PlacedFile};
use parlor::core::store::{Append, Durability};
use parlor::core::{Now, Server, Stream};
use serde_json::Value;

use crate::hall::{GuestId, Hall};
use crate::random::Random;
use crate::reader::Seen;
use crate::store::{Habit, LateStore};

/// Bytes of one file that may be anywhere between its sender and the disk.
const MOST_UNWRITTEN: usize = 512 << 10;

/// Keeps files in memory, and answers when it is told to.
#[derive(Default)]
struct Disk {
    arriving: BTreeMap<FileId, Vec<u8>>,
    kept: BTreeMap<FileId, Vec<u8>>,
    requests: VecDeque<FileRequest>,
    /// Of a thousand writes so many fail.
    failing: usize,
    /// What is asked to be read is not there.
    is_blind: bool,
}

impl Disk {
    fn take<S: Stream>(&mut self, server: &mut Server<S>) {
        while let Some(request) = server.next_file_request() {
            self.requests.push_back(request);
        }
    }

    /// Does the next thing that it was asked for.
    fn answer<S: Stream>(&mut self, server: &mut Server<S>, random: &mut Random, now: Now) {
        let Some(request) = self.requests.pop_front() else {
            return;
        };
        let answer = match request {
            FileRequest::Write { id, .. } | FileRequest::Finish { id, .. }
                if random.chance(self.failing) =>
            {
                self.arriving.remove(&id);
                let is_full = random.chance(500);
                FileAnswer::Failed { id, is_full }
            }
            FileRequest::Write { id, bytes } => {
                self.arriving.entry(id).or_default().extend(&bytes);
                let bytes = bytes.len();
                FileAnswer::Written { id, bytes }
            }
            FileRequest::Finish { id, bytes: length } => {
                let bytes = self.arriving.remove(&id).unwrap_or_default();
                // A write before it may have failed.
                match bytes.len() as u64 == length {
                    true => {
                        self.kept.insert(id, bytes);
                        FileAnswer::Finished { id }
                    }
                    false => FileAnswer::Failed { id, is_full: false },
                }
            }
            FileRequest::Remove { id } => {
                self.arriving.remove(&id);
                self.kept.remove(&id);
                return;
            }
            FileRequest::Read {
                ticket,
                id,
                from,
                length,
            } => {
                let from = usize::try_from(from).unwrap();
                let file = self.kept.get(&id).filter(|_| !self.is_blind);
                let bytes = file.and_then(|file| file.get(from..from + length));
                let bytes = bytes.unwrap_or_default().to_vec();
                FileAnswer::Read { ticket, bytes }
            }
            FileRequest::Sweep { .. } => panic!("this disk has one server"),
        };
        server.on_file_answer(answer, now);
    }
}

/// A server with a disk and a store.
struct Run {
    hall: Hall,
    disk: Disk,
    store: LateStore,
    random: Random,
    /// What the store was asked to keep of files.
    placed: Vec<PlacedFile>,
}

impl Run {
    fn new(flags: &[&str]) -> Self {
        Self::seeded(0, flags)
    }

    fn seeded(seed: u64, flags: &[&str]) -> Self {
        let flags = [&["--rate", "0", "--ping-interval", "0"], flags].concat();
        let mut hall = Hall::new(&flags);
        hall.server.use_store(Durability::Disk);
        hall.server.use_files(Vec::new());
        Self {
            hall,
            disk: Disk::default(),
            store: LateStore::new(Habit::default(), Random::new(seed, 1)),
            random: Random::new(seed, 2),
            placed: Vec::new(),
        }
    }

    /// A tick, in which the disk does so many things.
    fn tick(&mut self, done: usize) {
        let now = self.hall.now;
        let server = &mut self.hall.server;
        self.disk.take(server);
        for _ in 0..done {
            self.disk.answer(server, &mut self.random, now);
            self.disk.take(server);
        }
        self.note_placed();
        self.store.answer(&mut self.hall.server, now);
        self.hall.tick(u64::MAX);
    }

    /// Passes requests on to the store, and remembers which files it keeps.
    fn note_placed(&mut self) {
        self.store.take(&mut self.hall.server, self.hall.now);
        for append in self.store.appended.drain(..) {
            let Append {
                room, epoch, file, ..
            } = append;
            let offset = 1 + self.placed.len() as u64;
            self.placed.extend(file.map(|file| PlacedFile {
                room,
                epoch,
                offset,
                file: *file,
            }));
        }
    }

    /// Goes on until nobody has anything to do.
    fn settle(&mut self) {
        let mut idle = 0;
        while idle < 5 {
            self.tick(1_000);
            self.disk.take(&mut self.hall.server);
            let is_busy = self.hall.server.has_work() || !self.disk.requests.is_empty();
            idle = if is_busy || self.hall.has_events() {
                0
            } else {
                idle + 1
            };
        }
    }

    fn put(&mut self, guest: GuestId, path: &str, body: &[u8]) {
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.hall.request(guest, head.as_bytes());
        self.hall.send(guest, body);
    }

    fn get(&mut self, guest: GuestId, path: &str, fields: &str) -> (u16, Vec<u8>) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        self.hall.request(guest, request.as_bytes());
        self.settle();
        self.response(guest)
    }

    fn response(&mut self, guest: GuestId) -> (u16, Vec<u8>) {
        match self.hall.read(guest).pop() {
            Some(Seen::Response { status, body, .. }) => (status, body),
            other => panic!("expected a response, not {other:?}"),
        }
    }

    /// Sends a file, and gives the path at which it is.
    fn upload(&mut self, guest: GuestId, name: &str, body: &[u8]) -> String {
        self.put(guest, &format!("/rooms/tea/files/{name}"), body);
        self.settle();
        let (status, body) = self.response(guest);
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        href(&body)
    }

    /// Nothing is on its way any more, and these files are kept, on the disk as in the server.
    fn check_kept(&mut self, count: usize) {
        self.settle();
        assert_eq!(self.disk.arriving.len(), 0, "something is left");
        assert_eq!(self.disk.kept.len(), count);
        let metrics = self.hall.connect(usize::MAX);
        let (_, body) = self.get(metrics, "/metrics", "");
        let text = String::from_utf8(body).unwrap();
        assert!(
            text.contains(&format!("\nparlor_files {count}\n")),
            "{text}"
        );
    }
}

fn href(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap();
    json["data"]["file"]["href"].as_str().unwrap().to_owned()
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = length as u64 | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

#[test]
fn a_file_comes_back_as_it_was_sent() {
    let mut run = Run::new(&[]);
    let guest = run.hall.connect(usize::MAX);
    for length in [0, 1, 64 << 10, (64 << 10) + 1, 1_000_000] {
        let body = noise(length);
        let href = run.upload(guest, "a%20b.bin", &body);
        assert!(href.ends_with("/a%20b.bin"), "{href}");
        assert!(run.get(guest, &href, "") == (200, body.clone()), "{length}");
        let part = run.get(guest, &href, "Range: bytes=-1000\r\n");
        let rest = body[length.saturating_sub(1_000)..].to_vec();
        assert!(
            part == (if length > 0 { 206 } else { 416 }, rest),
            "{length}"
        );
    }
    run.check_kept(5);
}

#[test]
fn a_slow_disk_holds_its_sender_back_and_nobody_else() {
    let mut run = Run::new(&[]);
    let sender = run.hall.connect(usize::MAX);
    let body = noise(4 << 20);
    run.put(sender, "/rooms/tea/files/a", &body);
    for _ in 0..200 {
        run.tick(0);
    }
    let taken = body.len() - run.hall.unread(&[sender]);
    assert!(taken <= MOST_UNWRITTEN, "{taken} bytes are held");
    assert!(taken >= 64 << 10, "{taken} bytes");
    // It is longer than `--handshake-timeout`, but the disk is to blame.
    run.hall.now.ms += 60_000;
    run.tick(0);
    let talker = run.hall.connect(usize::MAX);
    let post = b"POST /rooms/tea HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
    run.hall.request(talker, post);
    for _ in 0..5 {
        run.tick(0);
    }
    assert_eq!(run.response(talker).0, 200);
    run.settle();
    let (status, answer) = run.response(sender);
    assert_eq!(status, 201);
    assert!(run.get(talker, &href(&answer), "").1 == body);
    run.check_kept(1);
}

#[test]
fn a_slow_reader_holds_one_part() {
    let mut run = Run::new(&[]);
    let sender = run.hall.connect(usize::MAX);
    let body = noise(4 << 20);
    let href = run.upload(sender, "a", &body);
    let reader = run.hall.connect(10_000);
    let request = format!("GET {href} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    run.hall.request(reader, request.as_bytes());
    let mut read = Vec::new();
    for _ in 0..20_000 {
        run.tick(10);
        read.extend(run.hall.sip(reader, 9_000));
        let held = run.hall.server.memory_used();
        assert!(held < 200 << 10, "{held} bytes are held");
        if read.len() > body.len() {
            break;
        }
    }
    run.tick(10);
    read.extend(run.hall.sip(reader, usize::MAX));
    assert!(read.ends_with(&body), "{} bytes came", read.len());
}

#[test]
fn what_is_broken_off_leaves_nothing() {
    for how in 0..4 {
        let mut run = Run::new(&["--handshake-timeout", "10"]);
        let guest = run.hall.connect(usize::MAX);
        let head =
            "PUT /rooms/tea/files/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
        run.hall.request(guest, head.as_bytes());
        run.hall.send(guest, &noise(300_000));
        for _ in 0..20 {
            run.tick(how);
        }
        match how {
            0 => run.hall.end(guest),
            1 => run.hall.server.begin_drain(run.hall.now),
            2 => {
                for _ in 0..2_000 {
                    run.tick(3);
                }
                assert_eq!(run.response(guest).0, 408);
            }
            _ => {
                run.disk.failing = 1_000;
                run.hall.send(guest, &noise(600_000));
                run.settle();
                assert!(matches!(run.response(guest).0, 503 | 507));
            }
        }
        run.settle();
        assert_eq!((run.disk.arriving.len(), run.disk.kept.len()), (0, 0));
        assert!(run.placed.is_empty());
    }
}

#[test]
fn limits_are_kept_to() {
    let flags = [
        "--max-file",
        "100000",
        "--file-quota",
        "150000",
        "--max-room-files",
        "3",
    ];
    let mut run = Run::new(&flags);
    let path = "/rooms/tea/files/a";
    let status = |run: &mut Run, length: usize| {
        let guest = run.hall.connect(usize::MAX);
        run.put(guest, path, &noise(length));
        run.settle();
        run.response(guest).0
    };
    assert_eq!(status(&mut run, 100_001), 413);
    assert_eq!(status(&mut run, 100_000), 201);
    assert_eq!(status(&mut run, 50_001), 507);
    // In chunks it is found out as it comes.
    let chunked = |run: &mut Run, length: usize| {
        let guest = run.hall.connect(usize::MAX);
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n"
        );
        run.hall.request(guest, head.as_bytes());
        run.hall.send(guest, &noise(length));
        run.hall.send(guest, b"\r\n0\r\n\r\n");
        run.settle();
        run.response(guest).0
    };
    assert_eq!(chunked(&mut run, 100_001), 413);
    assert_eq!(chunked(&mut run, 90_000), 507);
    assert_eq!(chunked(&mut run, 20_000), 201);
    assert_eq!(status(&mut run, 0), 201);
    assert_eq!(status(&mut run, 0), 507);
    run.check_kept(3);
}

#[test]
fn files_go_with_their_messages_and_with_time() {
    let mut run = Run::new(&["--file-time", "1000"]);
    let guest = run.hall.connect(usize::MAX);
    let hrefs: Vec<String> = (0..3).map(|_| run.upload(guest, "a", b"hello")).collect();
    let first = run.placed[0].file.id;
    run.hall.server.on_files_forgotten(&[first]);
    let statuses = |run: &mut Run| -> Vec<u16> {
        hrefs
            .iter()
            .map(|href| run.get(guest, href, "").0)
            .collect()
    };
    assert_eq!(statuses(&mut run), [404, 200, 200]);
    run.check_kept(2);
    run.hall.now.unix_ms += 2_000_000;
    run.hall.now.ms += 60_000;
    run.check_kept(0);
    let guest = run.hall.connect(usize::MAX);
    run.upload(guest, "a", b"hello");
    let delete = b"DELETE /rooms/tea HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(run.hall.ask(guest, delete), 204);
    run.check_kept(0);
}

#[test]
fn another_server_has_the_same_files() {
    let mut run = Run::new(&[]);
    let guest = run.hall.connect(usize::MAX);
    let href = run.upload(guest, "a.txt", b"hello");
    let mut next = Run::new(&[]);
    next.hall.server.use_files(std::mem::take(&mut run.placed));
    next.disk = run.disk;
    let guest = next.hall.connect(usize::MAX);
    assert_eq!(next.get(guest, &href, ""), (200, b"hello".to_vec()));
    next.disk.is_blind = true;
    assert_eq!(next.get(guest, &href, "").0, 503);
    next.check_kept(1);
}

/// Many at once, on a disk that is slow and fails, with connections that end at any time.
#[test]
fn whatever_happens_nothing_is_left_and_nothing_is_lost() {
    for seed in 0..25 {
        let mut run = Run::seeded(seed, &["--max-memory", "8388608"]);
        run.disk.failing = run.random.pick(&[0, 0, 5, 50]);
        let mut sent: BTreeMap<GuestId, Vec<u8>> = BTreeMap::new();
        let mut kept: Vec<(String, Vec<u8>)> = Vec::new();
        for _ in 0..400 {
            if run.random.chance(100) && sent.len() < 20 {
                let guest = run.hall.connect(usize::MAX);
                let length = run.random.pick(&[0, 10, 70_000, 300_000]);
                let body = noise(length + guest);
                run.put(guest, "/rooms/tea/files/a", &body);
                sent.insert(guest, body);
            }
            let ends = sent.keys().copied().find(|_| run.random.chance(2));
            if let Some(guest) = ends {
                run.hall.end(guest);
            }
            let done = run.random.pick(&[0, 1, 5]);
            run.tick(done);
            let guests: Vec<GuestId> = sent.keys().copied().collect();
            for guest in guests {
                match run.hall.read(guest).pop() {
                    Some(Seen::Response {
                        status: 201, body, ..
                    }) => {
                        kept.extend(sent.remove(&guest).map(|sent| (href(&body), sent)));
                    }
                    Some(Seen::Response {
                        status: 503 | 507, ..
                    }) => drop(sent.remove(&guest)),
                    Some(other) => panic!("seed {seed}: {other:?}"),
                    None if run.hall.is_gone(guest) => drop(sent.remove(&guest)),
                    None => {}
                }
            }
        }
        run.disk.failing = 0;
        run.settle();
        let reader = run.hall.connect(usize::MAX);
        for (href, body) in &kept {
            assert!(
                run.get(reader, href, "") == (200, body.clone()),
                "seed {seed}"
            );
        }
        // Whose sender has ended after the last byte is kept, too.
        assert_eq!(run.disk.arriving.len(), 0, "seed {seed}");
        assert_eq!(run.disk.kept.len(), run.placed.len(), "seed {seed}");
        assert!(
            run.placed.len() >= kept.len() && kept.len() > 3,
            "seed {seed}"
        );
    }
}
