//! The wall clock is set under a running server: nothing but dates changes.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::SystemTime;

use crate::common::{FIN, Http, PING, Server, TEXT, get, upgrade, with_a_healthy_pair};

const YEAR: i64 = 31_556_952;

/// Goes before libc's in a process: its wall clock is off by the seconds that a file holds. The machine's own clock is
/// left alone, so this needs no rights.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile const long long *offset;

__attribute__((constructor)) static void find_offset(void) {
    int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
    offset = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (clock == CLOCK_REALTIME) time->tv_sec += *offset;
    return result;
}
"#;

static SHIM_LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("clock.so");
    let mut compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-x", "c", "-", "-o"])
        .arg(&library)
        .stdin(Stdio::piped())
        .spawn()
        .expect("cc, which Rust links with");
    let mut source = compiler.stdin.take().unwrap();
    source.write_all(SHIM.as_bytes()).unwrap();
    drop(source);
    assert!(compiler.wait().unwrap().success(), "the shim compiles");
    library
});

/// The wall clock of one server.
struct WallClock(File);

impl WallClock {
    /// Starts a server with a clock of its own.
    fn of_server(name: &str, flags: &[&str]) -> (WallClock, Server) {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("clock-{name}"));
        fs::write(&path, 0i64.to_ne_bytes()).unwrap();
        let environment = [
            ("LD_PRELOAD", SHIM_LIBRARY.as_path()),
            ("CLOCK_OFFSET", path.as_path()),
        ];
        let server = Server::start_with_environment(&environment, flags);
        let file = File::options().write(true).open(&path).unwrap();
        (WallClock(file), server)
    }

    /// Sets it off by so many seconds from the truth, in one jump.
    fn set(&self, offset: i64) {
        self.0.write_all_at(&offset.to_ne_bytes(), 0).unwrap();
    }
}

/// The date that the server believes it is.
fn date(http: &mut Http) -> SystemTime {
    let response = http.ask(get("/page/style.css"));
    assert_eq!(response.status, 200);
    httpdate::parse_http_date(response.header("date").expect("a Date")).unwrap()
}

/// Whether `date` is off by `offset` seconds, give or take the time of a test.
fn is_off_by(date: SystemTime, offset: i64) -> bool {
    let unix = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64
    };
    (unix(date) - unix(SystemTime::now()) - offset).abs() < 600
}

/// No wait ends because of a jump, though each is over if one believes the wall clock.
#[test]
fn a_jump_ends_no_wait() {
    let seconds = "600";
    let (clock, server) = WallClock::of_server(
        "long",
        &[
            "--ping-interval",
            seconds,
            "--pong-timeout",
            seconds,
            "--handshake-timeout",
            seconds,
            "--close-timeout",
            seconds,
            "-v",
        ],
    );
    with_a_healthy_pair(&server, || {
        clock.set(0);
        let mut visitor = server.http();
        assert!(is_off_by(date(&mut visitor), 0));
        for offset in [10 * YEAR, -10 * YEAR, 3600, -3600, 0] {
            let mut idle = server.raw("/ws/clock");
            let mut half = server.http();
            half.send(&upgrade("/ws/clock")[..30]);
            let mut leaving = server.raw("/ws/clock");
            leaving.send_frame(FIN | 0xb, b"");
            leaving.expect_close(1002);
            clock.set(offset);
            assert!(is_off_by(date(&mut visitor), offset), "{offset}");
            half.send(&upgrade("/ws/clock")[30..]);
            assert_eq!(half.head().status, 101);
            idle.send_frame(FIN | TEXT, b"neither pinged nor closed");
            idle.expect(FIN | TEXT, b"neither pinged nor closed");
            leaving.finish_sending();
            leaving.expect_end();
        }
    });
}

/// A jump back puts nothing off, and one forward hurries nothing into an endless loop.
#[test]
fn waits_end_whatever_the_wall_clock_says() {
    let (clock, server) = WallClock::of_server(
        "short",
        &["--ping-interval", "0.3", "--handshake-timeout", "0.3"],
    );
    with_a_healthy_pair(&server, || {
        clock.set(0);
        for offset in [10 * YEAR, -10 * YEAR, 0] {
            let mut idle = server.raw("/ws/clock");
            let mut half = server.http();
            half.send("GET / HT");
            clock.set(offset);
            half.expect_end_or_408();
            assert_eq!(idle.next().first, FIN | PING);
        }
    });
}

/// Before 1970, and past the last year that a Date and the log can say: a date is wrong, and nothing else.
#[test]
fn dates_that_cannot_be_said() {
    let (clock, server) = WallClock::of_server("far", &["-v"]);
    with_a_healthy_pair(&server, || {
        for (offset, stamp) in [
            (-100 * YEAR, "before 1970"),
            (9_000 * YEAR, "after 9999"),
            (1_000_000 * YEAR, "after 9999"),
        ] {
            clock.set(offset);
            let mut http = server.http();
            let date = date(&mut http);
            assert!(!is_off_by(date, 0), "{date:?}");
            let room = format!("off-by-{offset}");
            server.client(&format!("/ws/{room}")).say("still here");
            let line = server.wait_for_log(|line| line.contains(&room));
            assert!(line.starts_with(&format!("[{stamp} INFO ")), "{line}");
        }
        clock.set(0);
        assert!(is_off_by(date(&mut server.http()), 0));
    });
}
