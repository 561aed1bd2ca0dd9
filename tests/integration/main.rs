//! The real binary, driven from outside over real sockets: one file per subject.

mod common;

mod clock;
mod close;
mod conflation;
mod deaths;
mod deflate;
mod events;
mod faults;
mod floods;
mod fragments;
mod frames;
mod http;
mod http_refused;
mod json_door;
mod large;
mod lines;
mod logging;
mod memory;
mod origin;
mod people;
mod post;
mod post_fields;
mod queries;
mod recovery;
mod rooms;
mod shutdown;
mod slow_readers;
mod slowloris;
mod startup;
mod storms;
mod strangers;
mod timers;
mod upgrade;
mod utf8;
