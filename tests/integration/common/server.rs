//! A parlor process on a free port.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::{Client, Http, PATIENCE, RawClient, get};

/// A running server; it is killed when the value is dropped.
pub(crate) struct Server {
    child: Child,
    stderr: Arc<Log>,
    /// The first line of its standard output.
    pub(crate) announcement: String,
    lines: Mutex<mpsc::Receiver<String>>,
    pub(crate) port: u16,
}

/// What the process has written to its standard error so far.
#[derive(Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

/// How a process ended, and what it wrote.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Server {
    /// Starts `parlor --port 0` with `flags`, and returns when it listens.
    pub(crate) fn start(flags: &[&str]) -> Server {
        let mut command = parlor();
        command.args(["--port", "0"]).args(flags);
        Server::spawn(command)
    }

    /// Starts `parlor` with these flags and variables alone, which have to say that it is to listen on port 0.
    pub(crate) fn start_bare(flags: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut command = parlor();
        command.args(flags).envs(variables.iter().copied());
        Server::spawn(command)
    }

    /// Like `start`, on a port that is known to be free or to be shared.
    pub(crate) fn start_on(port: u16, flags: &[&str]) -> Server {
        let mut command = parlor();
        command.args(["--port", &port.to_string()]).args(flags);
        Server::spawn(command)
    }

    /// Like `start`, after `ulimit` with these arguments.
    pub(crate) fn start_with_ulimit(ulimit: &str, flags: &[&str]) -> Server {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"ulimit $0 && exec "$@""#, ulimit])
            .args([env!("CARGO_BIN_EXE_parlor"), "--port", "0"])
            .args(flags)
            .env_remove("RUST_LOG");
        Server::spawn(command)
    }

    /// Like `start`, with these variables set.
    pub(crate) fn start_with_environment(
        variables: &[(&str, impl AsRef<OsStr>)],
        flags: &[&str],
    ) -> Server {
        let mut command = parlor();
        command.args(["--port", "0"]).args(flags);
        for (name, value) in variables {
            command.env(name, value);
        }
        Server::spawn(command)
    }

    /// A server that this command starts, on port 0, and becomes.
    pub(crate) fn start_by(command: Command) -> Server {
        Server::spawn(command)
    }

    fn spawn(mut command: Command) -> Server {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("parlor starts");
        let stderr = Log::collect(child.stderr.take().expect("stderr is a pipe"));
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        thread::spawn(move || {
            // Reads on to the end, so that the server never blocks on a full pipe.
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let line = lines.recv_timeout(PATIENCE).unwrap_or_default();
        let announcement = line.trim_end_matches('\n').to_owned();
        // "parlor listening on ADDRESS", and perhaps more.
        let address = announcement.split(' ').nth(3);
        let port = address
            .and_then(|address| address.rsplit_once(':'))
            .and_then(|(_, port)| port.parse().ok());
        let Some(port) = port else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("no address in {announcement:?}; stderr: {}", stderr.text());
        };
        Server {
            child,
            stderr,
            announcement,
            lines: Mutex::new(lines),
            port,
        }
    }

    /// The next line of its standard output, after the first.
    pub(crate) fn next_line(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.recv_timeout(PATIENCE).expect("a line in time")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// A TCP connection whose reads give up after `PATIENCE`.
    pub(crate) fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub(crate) fn http(&self) -> Http {
        Http::new(self.tcp())
    }

    /// The value of one metric, its labels included in the name.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let response = self.http().ask(get("/metrics"));
        assert_eq!(response.status, 200);
        let text = String::from_utf8(response.body).unwrap();
        let mut lines = text
            .lines()
            .filter_map(|line| line.split_once(&format!("{name} ")));
        let value = lines
            .find(|(before, _)| before.is_empty())
            .map(|(_, value)| value);
        value
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    }

    /// A member of the room at `path`.
    pub(crate) fn client(&self, path: &str) -> Client {
        Client::over(self.tcp(), path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A member of the room at `path` that writes and reads its frames by hand.
    pub(crate) fn raw(&self, path: &str) -> RawClient {
        RawClient::over(self.tcp(), path)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", r#"kill -s "$0" "$1""#, name, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "kill -s {name}");
    }

    /// Lowers the limit on open files under the running process.
    pub(crate) fn limit_open_files(&self, descriptors: u32) {
        let status = Command::new("prlimit")
            .args([
                format!("--pid={}", self.pid()),
                format!("--nofile={descriptors}"),
            ])
            .status()
            .unwrap();
        assert!(status.success(), "prlimit");
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_within(&mut self.child, PATIENCE).expect("the server ends")
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// The first log line for which `wanted` holds, as soon as it is there.
    pub(crate) fn wait_for_log(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.stderr.wait_for_line(wanted)
    }

    /// How many descriptors the process has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .expect("it runs")
            .count()
    }

    /// Memory of the process in RAM, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("it runs");
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// Processor time that the process has used, at the 10 ms of the kernel's clock ticks.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let after_name = stat.rsplit_once(") ").unwrap().1;
        let ticks = after_name
            .split(' ')
            .skip(11)
            .take(2)
            .map(|n| n.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.stderr.text());
        }
    }
}

/// Runs parlor with exactly `flags` until it ends.
pub(crate) fn run(flags: &[&str]) -> Finished {
    run_with_environment(&[], flags)
}

/// The same with these variables set.
pub(crate) fn run_with_environment(variables: &[(&str, &str)], flags: &[&str]) -> Finished {
    let mut child = parlor()
        .args(flags)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("parlor starts");
    if wait_within(&mut child, PATIENCE).is_none() {
        let _ = child.kill();
        panic!("parlor {flags:?} goes on running");
    }
    let output = child.wait_with_output().unwrap();
    Finished {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The binary under test, without what the caller's environment would change.
fn parlor() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    command.env_remove("RUST_LOG").env("RUST_BACKTRACE", "1");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PARLOR_") {
            command.env_remove(name);
        }
    }
    command
}

fn wait_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > end {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

impl Log {
    fn collect(stream: impl Read + Send + 'static) -> Arc<Log> {
        let log = Arc::new(Log::default());
        let writer = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut text = writer.text.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
                writer.grown.notify_all();
            }
        });
        log
    }

    fn text(&self) -> String {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn wait_for_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        let text = self.text.lock().unwrap();
        let (text, _) = self
            .grown
            .wait_timeout_while(text, PATIENCE, |text| {
                found = text.lines().find(|line| wanted(line)).map(str::to_owned);
                found.is_none()
            })
            .unwrap();
        drop(text);
        found.unwrap_or_else(|| panic!("no such line in the log"))
    }
}
