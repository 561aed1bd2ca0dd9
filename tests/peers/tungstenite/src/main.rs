//! The broadcast room on mio with one tungstenite `WebSocket` per connection, as it comes.

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Socket, Type};
use tungstenite::handshake::server::{NoCallback, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::{Error, Message, WebSocket};

const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 4_096;

type Handshake = MidHandshake<ServerHandshake<TcpStream, NoCallback>>;

enum Client {
    Handshaking(Option<Handshake>),
    Open(WebSocket<TcpStream>),
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    clients: Slab<Client>,
}

fn main() -> io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(0);
    let poll = Poll::new()?;
    let mut listener = TcpListener::from_std(listen(port)?);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on {}", listener.local_addr()?.port());
    io::stdout().flush()?;
    Server {
        poll,
        listener,
        clients: Slab::new(),
    }
    .serve()
}

/// The standard library's backlog of 128 would measure lost connection attempts.
fn listen(port: u16) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Server {
    fn serve(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            if let Err(error) = self.poll.poll(&mut events, None)
                && error.kind() != ErrorKind::Interrupted
            {
                return Err(error);
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(key) => {
                        if event.is_writable() {
                            self.flush(key);
                        }
                        if event.is_readable() {
                            self.read(key);
                        }
                    }
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let entry = self.clients.vacant_entry();
            let both = Interest::READABLE | Interest::WRITABLE;
            if stream.set_nodelay(true).is_ok()
                && self
                    .poll
                    .registry()
                    .register(&mut stream, Token(entry.key()), both)
                    .is_ok()
            {
                let handshake = ServerHandshake::start(stream, NoCallback, None);
                entry.insert(Client::Handshaking(Some(handshake)));
            }
        }
    }

    fn read(&mut self, key: usize) {
        if let Some(Client::Handshaking(handshake)) = self.clients.get_mut(key) {
            match handshake
                .take()
                .expect("it is put back when it goes on")
                .handshake()
            {
                Ok(socket) => self.clients[key] = Client::Open(socket),
                Err(HandshakeError::Interrupted(next)) => {
                    *handshake = Some(next);
                    return;
                }
                Err(HandshakeError::Failure(_)) => {
                    self.clients.remove(key);
                    return;
                }
            }
        }
        while let Some(Client::Open(socket)) = self.clients.get_mut(key) {
            match socket.read() {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => self.broadcast(&message),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.clients.remove(key);
                }
            }
        }
    }

    fn broadcast(&mut self, message: &Message) {
        self.clients.retain(|_, client| match client {
            Client::Open(socket) => is_alive(socket.send(message.clone())),
            Client::Handshaking(_) => true,
        });
    }

    fn flush(&mut self, key: usize) {
        if let Some(Client::Open(socket)) = self.clients.get_mut(key)
            && !is_alive(socket.flush())
        {
            self.clients.remove(key);
        }
    }
}

/// What the kernel does not take now stays in the socket's own buffer.
fn is_alive(result: Result<(), Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(Error::Io(error)) => error.kind() == ErrorKind::WouldBlock,
        Err(_) => false,
    }
}
