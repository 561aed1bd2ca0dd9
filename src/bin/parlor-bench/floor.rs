//! The floor: a server that does the least that one thread needs to relay messages to everyone.
//!
//! It reads, frames once, and calls `send()`: once per message and receiver, or once per tick and receiver for all
//! that was waiting. No rooms, no limits, no timers, no checks; it trusts its clients and is no server to use.
//! mio's calls are plain system calls on Linux, so that nothing lies between this and `epoll` and `send()`.

mod log;
mod request;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Protocol, Socket, Type};

use crate::options::FloorMode;
use log::Log;

const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 4_096;
const EVENTS_PER_TICK: usize = 1_024;
const READ_BUFFER: usize = 256 * 1024;

/// One connection: a descriptor and its place in the log, 16 bytes.
#[derive(Debug)]
struct Client {
    stream: TcpStream,
    upgraded: bool,
    /// End of what the kernel has taken of the log for this client.
    sent: u64,
}

struct Floor {
    mode: FloorMode,
    poll: Poll,
    listener: TcpListener,
    clients: Slab<Client>,
    /// Input that ends within a request or frame; rare, so not part of every client.
    unfinished: HashMap<usize, Vec<u8>>,
    log: Log,
    buffer: Box<[u8]>,
}

/// Serves until it is killed.
pub(crate) fn run(mode: FloorMode, port: u16) -> io::Result<()> {
    let poll = Poll::new()?;
    let mut listener = TcpListener::from_std(listen(port)?);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("floor listening on ws://{}/ws", listener.local_addr()?);
    io::stdout().flush()?;
    Floor {
        mode,
        poll,
        listener,
        clients: Slab::new(),
        unfinished: HashMap::new(),
        log: Log::default(),
        buffer: vec![0; READ_BUFFER].into(),
    }
    .serve()
}

fn listen(port: u16) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::IPV4,
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it: one system call for all of them.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Floor {
    fn serve(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TICK);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(key) => {
                        if event.is_readable() {
                            self.read(key);
                        }
                        if event.is_writable() {
                            self.catch_up(key);
                        }
                    }
                }
            }
            self.fan_out();
        }
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let entry = self.clients.vacant_entry();
            let both = Interest::READABLE | Interest::WRITABLE;
            if self
                .poll
                .registry()
                .register(&mut stream, Token(entry.key()), both)
                .is_ok()
            {
                entry.insert(Client {
                    stream,
                    upgraded: false,
                    sent: 0,
                });
            }
        }
    }

    /// Reads until a read comes back short, which says that the socket is empty.
    fn read(&mut self, key: usize) {
        loop {
            let Some(client) = self.clients.get_mut(key) else {
                return;
            };
            match client.stream.read(&mut self.buffer) {
                Ok(0) => return self.remove(key),
                Ok(length) => {
                    let alive = match self.unfinished.remove(&key) {
                        None => self.take_from_buffer(key, length),
                        Some(mut input) => {
                            input.extend_from_slice(&self.buffer[..length]);
                            self.take(key, &input)
                        }
                    };
                    if !alive {
                        return self.remove(key);
                    }
                    if length < self.buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.remove(key),
            }
        }
    }

    fn take_from_buffer(&mut self, key: usize, length: usize) -> bool {
        let buffer = std::mem::take(&mut self.buffer);
        let alive = self.take(key, &buffer[..length]);
        self.buffer = buffer;
        alive
    }

    /// Takes a request or frames; false when the client is to go.
    fn take(&mut self, key: usize, input: &[u8]) -> bool {
        let client = &mut self.clients[key];
        let mut rest = input;
        if !client.upgraded {
            match request::answer(rest) {
                request::Answer::Incomplete => {}
                request::Answer::Refuse => return false,
                request::Answer::Accept { length, response } => {
                    rest = &rest[length..];
                    client.upgraded = true;
                    client.sent = self.log.end();
                    if client.stream.write(&response).ok() != Some(response.len()) {
                        return false;
                    }
                }
            }
        }
        if self.clients[key].upgraded {
            match self.log.append_frames(rest) {
                Some(taken) => rest = &rest[taken..],
                None => return false,
            }
        }
        if !rest.is_empty() {
            self.unfinished.insert(key, rest.to_vec());
        }
        true
    }

    /// Sends what this tick brought.
    fn fan_out(&mut self) {
        let Floor {
            mode, clients, log, ..
        } = self;
        if log.is_drained() {
            return;
        }
        let all = [log.end()];
        let ends = match mode {
            FloorMode::Tick => &all[..],
            FloorMode::Each => log.message_ends(),
        };
        let mut gone = Vec::new();
        for (nth, &end) in ends.iter().enumerate() {
            // Who has not everything up to here waits for WRITABLE, and gets the rest then.
            let from = if nth == 0 { log.fresh() } else { ends[nth - 1] };
            for (key, client) in clients
                .iter_mut()
                .filter(|(_, client)| client.upgraded && client.sent == from)
            {
                if !send(client, log, end) {
                    gone.push(key);
                }
            }
        }
        for key in gone {
            self.remove(key);
        }
        let behind = self
            .clients
            .iter()
            .filter(|(_, client)| client.upgraded)
            .map(|(_, client)| client.sent)
            .min();
        if let Some(position) = self.log.drain(behind.unwrap_or(u64::MAX)) {
            self.clients
                .retain(|_, client| !client.upgraded || client.sent >= position);
        }
    }

    /// The socket takes data again.
    fn catch_up(&mut self, key: usize) {
        let end = self.log.fresh();
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if client.upgraded && client.sent < end && !send(client, &self.log, end) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: usize) {
        self.unfinished.remove(&key);
        self.clients.try_remove(key);
    }
}

/// Sends the log up to `end`; false when the connection is broken.
#[inline]
fn send(client: &mut Client, log: &Log, end: u64) -> bool {
    match (&client.stream).write(log.slice(client.sent, end)) {
        Ok(length) => client.sent += length as u64,
        Err(error) => return error.kind() == ErrorKind::WouldBlock,
    }
    true
}
