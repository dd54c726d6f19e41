//! Messages as frames (RFC 6455 §5): the sending half of one connection.
//!
//! Called by the session, which decides where the bytes go and when there is room for them. Every
//! message is one frame. After the close frame nothing is written.

use std::fmt;

use super::deflate::{Agreed, Deflater};
use super::frame::{CONTROL, Head, LONGEST_HEAD, Opcode};
use super::{Pool, code, mask, may_be_sent};

/// Where a client's masks come from: each must be one that nobody can guess (RFC 6455 §10.3).
pub type Keys = Box<dyn FnMut() -> [u8; 4]>;

/// The sending half of one connection.
pub struct Sender {
    keys: Option<Box<Keys>>,
    deflater: Option<Box<Deflater>>,
    is_closed: bool,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed).finish_non_exhaustive()
    }
}

impl Sender {
    /// A server's. `agreed` is what the handshake agreed on about compression.
    pub fn server(agreed: Option<Agreed>) -> Self {
        let deflater = agreed.map(|agreed| Box::new(Deflater::new(agreed.sent)));
        Sender { keys: None, deflater, is_closed: false }
    }

    /// A client's, which masks what it sends.
    pub fn client(keys: Keys, agreed: Option<Agreed>) -> Self {
        Sender { keys: Some(Box::new(keys)), ..Sender::server(agreed) }
    }

    /// True once the close frame has been written.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// True if frames made for many receivers may be sent as they are: only a server's are not
    /// masked.
    pub fn shares(&self) -> bool {
        self.keys.is_none()
    }

    /// Appends a text message.
    #[inline]
    pub fn text(&mut self, text: &str, out: &mut Vec<u8>, pool: &mut Pool) {
        self.message(Opcode::Text, text.as_bytes(), out, pool);
    }

    /// Appends a binary message.
    #[inline]
    pub fn binary(&mut self, data: &[u8], out: &mut Vec<u8>, pool: &mut Pool) {
        self.message(Opcode::Binary, data, out, pool);
    }

    /// Appends a ping with at most 125 bytes; more are left out.
    pub fn ping(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.frame(Opcode::Ping, data.get(..CONTROL).unwrap_or(data), out);
    }

    /// Appends the answer to a ping.
    pub fn pong(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.frame(Opcode::Pong, data.get(..CONTROL).unwrap_or(data), out);
    }

    /// Appends the close frame. A code that must not be sent, such as 1005, is left out with its
    /// reason; a reason is cut to what fits.
    pub fn close(&mut self, code: u16, reason: &str, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        if may_be_sent(code) {
            let longest = CONTROL - size_of_val(&code);
            let fits = (0..=longest).rev().find(|end| reason.is_char_boundary(*end));
            body.extend_from_slice(&code.to_be_bytes());
            body.extend_from_slice(reason.get(..fits.unwrap_or(0)).unwrap_or_default().as_bytes());
        } else if code != code::NONE {
            log::error!("close code {code} must not be sent");
        }
        self.frame(Opcode::Close, &body, out);
        self.is_closed = true;
    }

    #[inline]
    fn message(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>, pool: &mut Pool) {
        if !self.is_closed && self.deflater.as_ref().is_some_and(|d| d.wants(payload.len())) {
            return self.packed(opcode, payload, out, pool);
        }
        self.frame(opcode, payload, out);
    }

    #[inline]
    fn frame(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        if self.is_closed {
            return;
        }
        let key = self.keys.as_mut().map(|keys| keys());
        let length = payload.len() as u64;
        out.reserve(LONGEST_HEAD + payload.len());
        Head { is_last: true, is_packed: false, opcode, key, length }.write(out);
        let from = out.len();
        out.extend_from_slice(payload);
        if let (Some(key), Some(body)) = (key, out.get_mut(from..)) {
            mask::apply(body, key, 0);
        }
    }

    /// A compressed message. Its length is known when it is done, so room for the longest head is
    /// left before it, and closed up afterwards.
    fn packed(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>, pool: &mut Pool) {
        let from = out.len();
        out.extend_from_slice(&[0; LONGEST_HEAD]);
        let is_packed =
            self.deflater.as_mut().is_some_and(|deflater| deflater.deflate(payload, out, pool));
        if !is_packed {
            out.truncate(from);
            return self.frame(opcode, payload, out);
        }
        let body = from + LONGEST_HEAD;
        let key = self.keys.as_mut().map(|keys| keys());
        if let (Some(key), Some(body)) = (key, out.get_mut(body..)) {
            mask::apply(body, key, 0);
        }
        let length = (out.len() - body) as u64;
        let (head, size) = Head { is_last: true, is_packed: true, opcode, key, length }.encode();
        if let Some(place) = out.get_mut(from..from + size) {
            place.copy_from_slice(head.get(..size).unwrap_or_default());
        }
        out.copy_within(body.., from + size);
        out.truncate(out.len() - (LONGEST_HEAD - size));
    }
}
