//! A chat room: members over plain TCP, as in the Go tutorials, and in the browser, all in one room.
//!
//! **Over TCP** a message is what one read brings; there is no framing. `1` is a heart-beat, and is
//! answered `1` to whoever sent it. Anything else goes, as it came, to every other member; clients
//! write `TIME\n\tNAME: MESSAGE`. Whoever says nothing for five seconds is dropped. [`text`] says what
//! is made of messages that TCP has glued together.
//!
//! **In the browser** members send and get JSON over a WebSocket; [`web`] has the words.
//!
//! Each message is serialised once for each kind of member and shared by all. A member that does not
//! keep up loses whole messages, is told how many, and delays nobody. What members say about
//! themselves is never believed: names are made unique and lose whatever could forge a line.

mod room;
mod tcp;
pub mod text;
pub mod web;

use std::rc::Rc;
use std::time::Duration;

use crate::web::metrics::Registry;

pub use room::{Room, Via};
pub use tcp::Tcp;

/// The bounds of a room.
#[derive(Clone, Debug)]
pub struct Options {
    /// A TCP member that says nothing for so long is dropped. 5 s.
    pub expiry: Duration,
    /// Bytes of one message. 4 KiB.
    pub message_bytes: usize,
    /// Characters of a name. 32.
    pub name_chars: usize,
    /// Messages that newcomers to the page are shown. 50.
    pub history: usize,
    /// Messages that one member may say at once. 100.
    pub burst: u32,
    /// Messages a second that it may say in the long run. 20.
    pub rate: u32,
    /// Unsent bytes at which a member loses messages: those of earlier turns, as what is said in one
    /// turn is written at its end. 64 KiB.
    pub unsent: usize,
    /// Up to so many members, all are told who comes and goes, and who is there. 256.
    pub announced: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            expiry: Duration::from_secs(5),
            message_bytes: 4 * 1024,
            name_chars: 32,
            history: 50,
            burst: 100,
            rate: 20,
            unsent: 64 * 1024,
            announced: 256,
        }
    }
}

/// Registers what is counted of a room.
pub fn measure(room: &Rc<Room>, registry: &Registry) {
    let read = |read: fn(&Room) -> u64| {
        let room = Rc::clone(room);
        move || read(&room)
    };
    registry.gauge("chat_members", "Members of the chat room.", read(Room::members));
    registry.counter("chat_said_total", "Messages said in the room.", read(Room::said));
    registry.counter("chat_lost_total", "Messages that slow members lost.", read(Room::lost));
}
