//! The loop's end of Redis: makes its connections, and passes on what the server asks for and is told.

mod socket;

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;

use mio::{Interest, Registry, Token, Waker};

use crate::core::redis::links::{Connect, LinkId, Links, Target};
use crate::core::redis::{Output, Redis, scripts};
use crate::core::store::Followed;
use crate::core::{Now, Ready, Server, Stream};
use crate::send::tls::client_config;
use crate::settings::{Limits, RedisUrl, Sharing};
use crate::shell::error::RunError;
use rustls::ClientConfig;
use socket::RedisSocket;

/// A connection that was made on a thread, or not.
type Arrival = (Connect, io::Result<TcpStream>);

/// A node's connections to Redis, among the sockets of the loop.
pub(super) struct RedisNode {
    redis: Redis<RedisSocket>,
    tls: Option<Arc<ClientConfig>>,
    /// The token of its first connection.
    token: usize,
    sender: Sender<Arrival>,
    arrivals: Receiver<Arrival>,
    waker: Arc<Waker>,
}

impl RedisNode {
    /// The one that the settings tell of; `None` if they tell of none. Its connections have the tokens from `token` on, of
    /// which there are `limits::MAX_LINKS`.
    ///
    /// # Errors
    /// What is needed for TLS is missing.
    pub(super) fn new(
        sharing: &Sharing,
        limits: &Limits,
        (token, waker): (usize, &Arc<Waker>),
    ) -> Result<Option<Self>, RunError> {
        let Some(first) = sharing.redis.first() else {
            return Ok(None);
        };
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| RunError::new("cannot get random bytes", error.into(), ""))?;
        let ca_file = sharing.redis_ca.as_deref();
        let tls = first.is_tls.then(|| client_config(ca_file, "redis-ca"));
        let tls = tls.transpose().map_err(|error| {
            RunError::new("cannot speak TLS to Redis", io::Error::other(error), "")
        })?;
        let links = Links::new(target(first, &sharing.redis), &scripts::ALL, seed);
        let wait_ms = u64::from(sharing.redis_wait) * 1_000;
        let (sender, arrivals) = channel();
        Ok(Some(Self {
            redis: Redis::new(links, limits.clone(), wait_ms, seed),
            tls,
            token,
            sender,
            arrivals,
            waker: Arc::clone(waker),
        }))
    }

    /// The server has this name and these rooms: to be called before the first tick.
    pub(super) fn begin(&mut self, node: &str, followed: Vec<Followed>) {
        self.redis.begin(node, followed);
    }

    /// Other limits hold from now on.
    pub(super) fn reconfigure(&mut self, limits: &Limits) {
        self.redis.reconfigure(limits);
    }

    /// The kernel says what one of its sockets is ready for.
    pub(super) fn on_ready(&mut self, token: usize, ready: Ready) {
        let link = LinkId(token - self.token);
        self.redis.links().on_ready(link, ready);
    }

    /// Takes in connections that were made, reads what has come, and tells the server.
    pub(super) fn receive<S: Stream>(
        &mut self,
        server: &mut Server<S>,
        registry: &Registry,
        now: Now,
    ) {
        while let Ok((connect, stream)) = self.arrivals.try_recv() {
            self.take_in(&connect, stream, registry, now.ms);
        }
        self.redis.receive(server.budget(), now.ms);
        self.tell(server, now);
    }

    fn tell<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        while server.budget().is_left()
            && let Some(output) = self.redis.next_output(|room| server.takes_news(room))
        {
            match output {
                Output::Answer(answer) => server.on_answer(answer, now),
                Output::News(news) => server.on_news(news, now),
                Output::PeopleNews(news) => server.on_people_news(news, now),
                Output::PushNews(news) => server.on_push_news(news),
                Output::FilesNews(news) => server.on_files_news(news),
            }
        }
    }

    /// Takes what the server asks for, sends it, and begins connections that are to be made.
    pub(super) fn send<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        while let Some(request) = server.next_request() {
            self.redis.on_request(request, now.ms);
        }
        self.redis.send(server.budget(), now.ms);
        while let Some(connect) = self.redis.links().next_connect(now.ms) {
            self.connect(connect, now.ms);
        }
    }

    /// Whether the next tick has work that no event announces.
    pub(super) fn has_work(&self) -> bool {
        self.redis.has_work()
    }

    /// When something is due.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.redis.next_deadline_ms()
    }

    /// A name is looked up, and a connection made, on a thread: both may take their time.
    fn connect(&mut self, connect: Connect, now_ms: u64) {
        let (sender, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let failed = connect.clone();
        let run = move || {
            let stream = socket::connect(&connect.host, connect.port);
            // The loop has ended.
            if sender.send((connect, stream)).is_ok()
                && let Err(error) = waker.wake()
            {
                log::error!("cannot wake the loop: {error}");
            }
        };
        let begun = Builder::new().name("parlor-connect".to_owned()).spawn(run);
        if let Err(error) = begun {
            self.redis.links().on_connected(&failed, Err(error), now_ms);
        }
    }

    fn take_in(
        &mut self,
        connect: &Connect,
        stream: io::Result<TcpStream>,
        registry: &Registry,
        now_ms: u64,
    ) {
        let socket = stream.and_then(|stream| {
            let mut socket = RedisSocket::new(stream, &connect.host, self.tls.as_ref())?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            registry.register(
                socket.source(),
                Token(self.token + connect.link.0),
                interest,
            )?;
            Ok(socket)
        });
        self.redis.links().on_connected(connect, socket, now_ms);
    }
}

fn target(first: &RedisUrl, all: &[RedisUrl]) -> Target {
    Target {
        addresses: all.iter().map(|it| (it.host.clone(), it.port)).collect(),
        master: first.master.clone(),
        user: first.user.clone(),
        password: first.password.clone(),
        db: first.db,
    }
}
