//! parlor: a chat-room and live-broadcast server on one event loop.
//!
//! One thread owns every socket, every room and every decision. This page is the map of the crate.
//!
//! # Three rings
//!
//! Imports go inward only; a test holds them to it.
//!
//! | ring | what it is | knows nothing of |
//! |---|---|---|
//! | [`codec`] | bytes in, values out, and back: HTTP, WebSocket, JSON, tokens, lines, datagrams, what other services send | sockets, rooms, time |
//! | [`core`] | connections, rooms, delivery, limits, timers: a deterministic state machine | mio, clocks, threads |
//! | [`shell`] | the poll loop, the listener, TLS, the clock, signals, the configuration | message formats |
//!
//! Beside them are [`settings`], which are a user's to set: one table, from which the shell reads flags, the environment and
//! a file; [`limits`], which are the loop's own; and two clients, [`send`], which sends files, and [`redis_doctor`]. `src/guide` is the build script, which renders the guide,
//! `assets/guide`.
//!
//! # The walk of one message
//!
//! 1. The poll says that a socket is readable; `shell::event_loop` calls [`core::Server::on_ready`], which only puts the
//!    connection in a queue of connections to read.
//! 2. [`core::Server::run_reads`] reads the connections in the queue, each into the loop's one buffer: an idle connection
//!    owns none. One that is not read to the end when its turn is over goes to the end of the queue, so that a flood from
//!    one does not starve the others.
//! 3. `codec::ws::message` takes the frames apart where they lie and unmasks them in place. Only what is unfinished is
//!    copied and kept with the connection.
//! 4. A whole message goes to the door by which its sender came, through the one place that knows them all
//!    (`core::server::doors`, `on_incoming`): at the plain one it is published as it is, at the others a command or a line
//!    may ask for that (`core::server`, `publish`). Everything else knows a door by its row of facts (`core::net::door`).
//!    Whether its sender may is asked of their rights (`core::access`), which are `Open` where no token is wanted, and of the
//!    bans (`core::ban`), where there are any. It is
//!    submitted to the room's log: without a store that is the room, which gives it its offset and remembers it
//!    (`core::chat`), all at once. A message that wants a state of its key is checked in that order, by whoever makes it: here, on
//!    the store's thread, or in Redis.
//! 5. The members who read the same format are an audience. `core::delivery::encode` makes the message's bytes once for each
//!    audience, and `core::delivery::broadcast` appends them to that audience's batch of this tick.
//! 6. At the end of the tick the batch is delivered to those who are members then. Each one's queue (`core::net::write_queue`)
//!    takes a reference to the shared bytes, and the connection goes on the `dirty` list, once.
//! 7. [`core::Server::end_of_tick`] is the ordered list of what else a tick does. Only a flush writes to a
//!    socket. What one tick queued for a connection leaves in one system call.
//! 8. When the kernel takes no more, the rest stays queued until the socket is writable again. Sockets are registered
//!    once, edge-triggered, for both directions.
//! 9. A large fan-out goes out in slices, in turn with those of other rooms, until the tick's budget is spent. What
//!    is published in its room meanwhile gathers in the next batch: the further a room is behind, the more messages leave
//!    in each system call. Members of a room that is too far behind are paused until its next batch starts, and are read
//!    first then: a flood waits with those who send it.
//!
//! A member that joins a room, comes back to it or has fallen behind is sent a snapshot (`core::server`, `arrivals`): the
//! state of the room's keys, its members and its messages. Its parts (`core::delivery::snapshot`) are encoded once and
//! shared by all who get the same. `core::delivery::rope` puts them together with what is for one reader alone.
//!
//! # Several rooms
//!
//! One message for several rooms is submitted to the log of each, and its sender is answered when all have answered
//! (`core::server`, `copies`).
//!
//! A connection at the JSON door may be in many rooms, and a stream of events in several (`core::net::feed`): the messages of a room
//! are encoded once for all such streams, and copied for each reader, who wants some of the keys, and gets ids that say where it is
//! in all its rooms (`core::delivery::feed`). Whoever follows a pattern comes into the rooms that match it one at a time
//! (`core::server`, `followers`): those that are there are looked for in parts, and each that begins is offered to all who follow.
//!
//! # The store
//!
//! With `--data`, messages are kept on disk (`shell::store`: SQLite on a thread that writes and one that reads), and a publish is
//! a value that is answered later ([`core::store`]). The server
//! hands a request with a ticket to the store, keeps the submission (`core::server`, `waiting`) and goes on. When the store
//! has accepted the message, with an offset, the walk goes on at step 5, and the sender is told. Nobody sees a message, or
//! its offset, before. What a room does not remember is read in the same way (`reading`): a member that comes back is
//! behind until the store has answered, is sent all that it has missed, and is live from then on.
//!
//! A room that only the store has is loaded when somebody comes for it (`loading`). What is about it is put aside until then,
//! and done as if it came then; so `core::chat` never holds a room of which it does not know the offset. A room that ends in
//! memory stays in the store, unless it is emptied.
//!
//! `parlor import` hands lines of an export to a server that runs, by a socket in its data directory (`shell::import_socket`). They
//! come in at a door like others (`core::server::doors`, `import`), and walk as any message does, with the time, the author and,
//! if it is free, the offset that they had.
//!
//! A value may have to be followed by another in time, or end (`core::chat`, `overdue`): the server publishes what is due of it like
//! any message, under an id that all servers on one log give it, and takes from the state of the alarm what was said already. A
//! room that ends here while something is due in it is asked for then (`wakes`).
//!
//! An epoch is that of one log: offsets are comparable within it, and a client whose epoch is another one has lost its
//! place. It changes when a room begins anew, and with it what was published before is gone; and when the server
//! cannot know which offsets were told.
//!
//! # Many nodes
//!
//! With `--redis`, rooms are kept in Redis, and every node that uses it has the same ([`core::redis`]). It is a store like the
//! disk, but that it tells the server what others have published, too ([`core::store::News`]). A publish is one function in
//! Lua: the next offset, the message in the room's stream, and the message on the channel of the room's partition. A message
//! is accepted when it comes back on the channel, so that all nodes have one order.
//!
//! A node follows the rooms that it holds (`core::redis::room`): it knows up to where it has heard each, reads what is missing from
//! the stream before it tells anything newer, and loads a room anew of which the stream does not reach back, or the epoch is
//! another (`core::server`, `shared`).
//!
//! With `--files`, nodes share files: their bytes are in a folder that all have (`shell::shared_folder`), and their links in Redis
//! (`core::server`, `shared_files`). A file that has come gets its link before its message is published, and a node asks Redis
//! for the link of each file that somebody reads. What no link leads to is looked for, and removed, by all nodes (`orphans`).
//!
//! Each node puts the rooms that it has on a list in Redis, one for each partition. Whoever asks for the rooms waits until all
//! partitions have said theirs (`core::server`, `rooms_elsewhere`).
//!
//! A room that was not on the list has begun. That is kept in a log of its partition, and told on a channel, before its first
//! message is published. A node where somebody follows patterns hears it as it hears messages, without a hole or a repeat
//! (`core::redis::engine`, `beginnings`), and reads the rooms in use a page at a time (`core::server`, `finding`).
//!
//! # Webhooks
//!
//! With `--webhook`, others are told what happens in rooms ([`core::hooks`]). Messages that were accepted, and rooms that
//! somebody has come into or gone from, are noted; at most once a second what has gathered of a room becomes a delivery for
//! each webhook (`core::server`, `hooks`), and calls leave as values ([`core::Server::next_call`]). Threads make them, one for each webhook
//! (`shell::outgoing`), and what became of them comes in by [`core::Server::on_call_outcome`]. A disk keeps deliveries before they
//! leave, and up to which offset the messages of each room are in deliveries: after a crash the rest is read from the
//! messages themselves.
//!
//! Alarms that nobody acknowledges are told to webhooks, too ([`core::escalation`]). Who is told, and when, is counted from when an alarm
//! was raised; whether it still is, its room says when something is due (`core::server`, `escalation`).
//!
//! # Keys of a provider
//!
//! With `--jwks-url`, keys for tokens are got from an address (`core::access`, `provider`): at the start, in time, and when a
//! token names one that is not known, which is refused until the provider has answered. A thread makes each request
//! (`shell::outgoing`, `keys`), and with a data directory keeps the last good answer in a file.
//!
//! # Push
//!
//! With `--push-contact`, people are told while they are away ([`core::push`]). A message that was accepted is looked at for
//! who wants to know; so many of them as the budget allows are looked at in a tick (`core::server`, `push`). Calls to push
//! services leave as values ([`core::Server::next_push`]). Threads make them, 16 at once at most (`shell::push`), and what became
//! of them comes in by [`core::Server::on_push_outcome`]. A disk keeps subscriptions, and who was told of which alarm.
//!
//! Nodes on one Redis share both (`core::push`, `sharing`): a change is kept by a function in Lua, which gives it the next version,
//! and told on a channel. A node that has missed one reads all anew (`core::redis`, `engine::push`). The node that has taken a
//! message tells of it.
//!
//! # A handover
//!
//! On SIGUSR2 another process takes over (`shell::upgrade`). The server is held: it reads nothing more, until nothing is on its
//! way. Then all that it knows is told in sections ([`core::handover`]): each part tells its own (`state` beside it), and
//! counts anew what it is told. Indices, ids, offsets and times stay, so that a server that has taken over is where the other one was.
//!
//! # The budget of a tick
//!
//! A tick takes 2 ms and a piece of work more, whatever clients do. All work is charged to [`core::budget`]. A loop over
//! what clients can make many checks it, and continues in the next tick. The simulation counts the work of every tick.
//! Work that is put off harms no client: a connection with a pending flush is flushed before its queue counts as full.
//!
//! # Invariants
//!
//! - A queue that is not empty, and what TLS has encrypted and not sent, belong to a connection that is dirty, or that the
//!   kernel takes nothing from.
//! - A connection is in rooms only while its phase is `Open`, `Leaving` or `Streaming`; at the doors that lead to one
//!   room, exactly then.
//! - A connection keeps a request exactly while its phase is `Body`.
//! - An offset is given once in an epoch of its room, and every member gets the offsets in their order.
//! - Connections are freed in one place, the last step of a tick. An id that is kept longer finds no connection, which is normal.
//! - Where a token is wanted, a connection that lasts has shown one that has not ended, or is unauthenticated: in no room, and
//!   closed when `--login-timeout` is over. Whoever owns the data directory needs none to import.
//! - An address has taken as many slots as connections count against it.
//! - A webhook has one call on its way. Deliveries of one room leave in their order, and each with the id that it was kept under.
//! - The meter counts the bytes of all frames in flight, of all unfinished input, and of what TLS keeps, no more and no less.

pub mod codec;
pub mod core;
mod dial;
pub mod limits;
pub mod redis_doctor;
pub mod send;
pub mod settings;
pub mod shell;
