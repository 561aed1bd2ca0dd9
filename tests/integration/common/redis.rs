//! A real Redis on a free port, with a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// Another process may take the port that was free before Redis does.
const TRIES: usize = 10;

/// A Redis that ends with the test.
pub(crate) struct Redis {
    process: Child,
    folder: PathBuf,
    pub(crate) port: u16,
}

impl Redis {
    /// Starts one, with no settings but these.
    pub(crate) fn start(flags: &[&str]) -> Redis {
        Redis::start_ready("Ready to accept connections", |_, port, command| {
            command.args(["--port", &port.to_string()]).args(flags);
        })
    }

    /// Starts a Sentinel that watches the master on this port, by this name.
    pub(crate) fn sentinel(name: &str, master: u16) -> Redis {
        Redis::start_ready("Sentinel ID is", |folder, port, command| {
            let file = folder.join("sentinel.conf");
            let monitor = format!("port {port}\nsentinel monitor {name} 127.0.0.1 {master} 1\n");
            fs::write(&file, monitor).unwrap();
            command.arg(file).arg("--sentinel");
        })
    }

    fn start_ready(ready: &str, configure: impl Fn(&PathBuf, u16, &mut Command)) -> Redis {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        for _ in 0..TRIES {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("parlor-redis-{}-{number}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).unwrap();
            let holder = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = holder.local_addr().unwrap().port();
            drop(holder);
            let mut command = Command::new("redis-server");
            command.current_dir(&folder).stdout(Stdio::piped());
            configure(&folder, port, &mut command);
            command.args(["--bind", "127.0.0.1", "--dir"]).arg(&folder);
            let mut process = command
                .spawn()
                .expect("redis-server is there: make setup installs it");
            let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
            let is_ready = lines.any(|line| line.is_ok_and(|line| line.contains(ready)));
            let redis = Redis {
                process,
                folder,
                port,
            };
            if is_ready {
                // Reads on to the end, so that Redis never blocks on a full pipe.
                thread::spawn(move || lines.count());
                return redis;
            }
        }
        panic!("redis-server did not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What Redis answers to a command.
    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(words)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
