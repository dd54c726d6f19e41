//! A greeting, one byte at a time, and goodbye.
//!
//! Fourteen small writes are a waste, and that is the point: a reader must put a stream together
//! from whatever pieces arrive, and a peer that leaves in the middle must cost nothing.

use std::slice;

use crate::error::CloseReason;
use crate::session::raw::{Handler, Raw};
use crate::session::{CloseMode, ConnInfo, Cx, Flow, Service, Session};

/// What is said.
const WORDS: &[u8] = b"Hello World!\r\n";

/// Opens a [`Greeting`] for every connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Greet;

impl Service for Greet {
    fn open(&self, _: &ConnInfo<'_>) -> Box<dyn Session> {
        Box::new(Raw::new(Greeting { rest: WORDS }))
    }
}

/// The rest of a greeting. Whatever the peer says meanwhile is not listened to.
#[derive(Debug)]
pub struct Greeting {
    rest: &'static [u8],
}

impl Greeting {
    /// One byte per call: each call's output is one write.
    fn say(&mut self, cx: &mut Cx<'_>) -> Flow {
        if let Some((byte, rest)) = self.rest.split_first() {
            cx.write(slice::from_ref(byte));
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return Flow::Close(CloseMode::Linger, CloseReason::Finished);
        }
        cx.want_drain();
        Flow::Continue
    }
}

impl Handler for Greeting {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.say(cx)
    }

    fn on_bytes(&mut self, _: &[u8], _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }

    fn on_drain(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.say(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::buf::Out;
    use crate::session::Env;
    use crate::token::Token;

    #[test]
    fn each_byte_is_a_write_of_its_own_and_then_it_closes() {
        let mut env = Env::new(Limits::default());
        let mut greeting = Greeting { rest: WORDS };
        let mut said = Vec::new();
        for count in 1..=WORDS.len() {
            let (mut out, mut drain) = (Out::default(), false);
            let mut cx = Cx::new(&mut out, &mut env, Token::new(0, 0), 0, &mut drain);
            let last = matches!(greeting.say(&mut cx), Flow::Close(CloseMode::Linger, _));
            assert_eq!((out.len(), last, drain), (1, count == WORDS.len(), !last));
            said.append(&mut out.bytes);
        }
        assert_eq!(said, WORDS);
    }
}
