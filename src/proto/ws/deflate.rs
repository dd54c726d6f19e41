//! permessage-deflate (RFC 7692): what is agreed on in the handshake, and the two contexts.
//!
//! Called by the handshake, the reader and the sender. A context that lives from message to message
//! is large (up to 320 KiB to compress, 40 KiB to inflate), so it is made with the first message
//! that needs it, and a direction without context takeover borrows the loop's from a [`Pool`].

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Refusal;

/// What a flush ends with, and what is therefore left out on the wire (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The widest window there is, as a power of two.
const WIDEST: u8 = 15;

/// How an endpoint would like to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// From 0 (fast) to 9 (small).
    pub level: u8,
    /// Messages below this many bytes are sent as they are.
    pub from: usize,
    /// The window of what we send, as a power of two from 9 to 15.
    pub send_bits: u8,
    /// The window of what the peer sends, if it lets us choose.
    pub receive_bits: u8,
    /// What we send may refer to earlier messages: smaller, at the price of memory.
    pub send_takeover: bool,
    /// What the peer sends may.
    pub receive_takeover: bool,
}

impl Default for Deflate {
    /// No memory of a connection's own: every message stands by itself.
    fn default() -> Self {
        Deflate {
            level: 1,
            from: 128,
            send_bits: WIDEST,
            receive_bits: WIDEST,
            send_takeover: false,
            receive_takeover: false,
        }
    }
}

impl Deflate {
    /// With contexts that live as long as the connection: better compression, a third of a
    /// megabyte for each connection.
    pub fn with_takeover() -> Self {
        Deflate { send_takeover: true, receive_takeover: true, ..Deflate::default() }
    }

    fn send_bits(&self) -> u8 {
        self.send_bits.clamp(9, WIDEST)
    }

    fn receive_bits(&self) -> u8 {
        self.receive_bits.clamp(9, WIDEST)
    }

    /// What a server makes of the `Sec-WebSocket-Extensions` of a client: the first offer that it
    /// can keep, and the answer.
    pub(super) fn accept<'o>(
        &self,
        offers: impl Iterator<Item = &'o [u8]>,
    ) -> Option<(Agreed, String)> {
        offers
            .flat_map(|list| split(list, b','))
            .find_map(|offer| self.answer(&Terms::read(offer)?))
    }

    fn answer(&self, offer: &Terms) -> Option<(Agreed, String)> {
        // zlib cannot make a raw stream for a window of 256 bytes.
        let send_bits = self.send_bits().min(offer.server_bits.unwrap_or(WIDEST));
        if send_bits < 9 {
            return None;
        }
        let receive_bits = match offer.client_bits {
            Bits::Unsaid => WIDEST,
            Bits::Any => self.receive_bits(),
            Bits::Up(bits) => self.receive_bits().min(bits),
        };
        let sent = Direction {
            takeover: self.send_takeover && !offer.server_alone,
            bits: send_bits,
            level: self.level,
            from: self.from,
        };
        let received = Direction {
            takeover: self.receive_takeover && !offer.client_alone,
            bits: receive_bits,
            ..sent
        };
        let mut answer = String::from(NAME);
        for (is_said, parameter) in [
            (!sent.takeover, "; server_no_context_takeover"),
            (!received.takeover, "; client_no_context_takeover"),
        ] {
            answer.push_str(if is_said { parameter } else { "" });
        }
        if offer.server_bits.is_some() || send_bits < WIDEST {
            answer.push_str(&format!("; server_max_window_bits={send_bits}"));
        }
        if offer.client_bits != Bits::Unsaid && receive_bits < WIDEST {
            answer.push_str(&format!("; client_max_window_bits={receive_bits}"));
        }
        Some((Agreed { sent, received }, answer))
    }

    /// What a client offers.
    pub(super) fn offer(&self) -> String {
        let mut offer = String::from(NAME);
        for (is_said, parameter) in [
            (!self.receive_takeover, "; server_no_context_takeover"),
            (!self.send_takeover, "; client_no_context_takeover"),
        ] {
            offer.push_str(if is_said { parameter } else { "" });
        }
        if self.receive_bits() < WIDEST {
            offer.push_str(&format!("; server_max_window_bits={}", self.receive_bits()));
        }
        offer.push_str("; client_max_window_bits");
        offer
    }

    /// What a client makes of the server's answer to that offer; `None` if it goes beyond it.
    pub(super) fn confirm(&self, answer: &[u8]) -> Option<Agreed> {
        let answer = Terms::read(answer)?;
        let send_bits = match answer.client_bits {
            Bits::Unsaid => self.send_bits(),
            Bits::Up(bits) => self.send_bits().min(bits),
            Bits::Any => return None,
        };
        let receive_bits = answer.server_bits.unwrap_or(WIDEST);
        let breaks_off = (!self.receive_takeover && !answer.server_alone)
            || receive_bits > self.receive_bits()
            || send_bits < 9;
        let (level, from) = (self.level, self.from);
        let sent_takeover = self.send_takeover && !answer.client_alone;
        (!breaks_off).then_some(Agreed {
            sent: Direction { takeover: sent_takeover, bits: send_bits, level, from },
            received: Direction { takeover: !answer.server_alone, bits: receive_bits, level, from },
        })
    }
}

const NAME: &str = "permessage-deflate";

/// What both ends agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    pub(super) sent: Direction,
    pub(super) received: Direction,
}

/// The same for one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) takeover: bool,
    pub(super) bits: u8,
    pub(super) level: u8,
    pub(super) from: usize,
}

/// One offer, or the answer to it (RFC 7692 §7.1).
#[derive(Debug, Default)]
struct Terms {
    server_alone: bool,
    client_alone: bool,
    server_bits: Option<u8>,
    client_bits: Bits,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Bits {
    #[default]
    Unsaid,
    /// The client can be told.
    Any,
    Up(u8),
}

impl Terms {
    /// `None` if it is another extension, or one with a parameter that is unknown, repeated or
    /// malformed.
    fn read(offer: &[u8]) -> Option<Terms> {
        let mut parts = split(offer, b';');
        if !parts.next()?.eq_ignore_ascii_case(NAME.as_bytes()) {
            return None;
        }
        let mut terms = Terms::default();
        for part in parts {
            let mut sides = part.splitn(2, |&byte| byte == b'=').map(<[u8]>::trim_ascii);
            let (name, value) = (sides.next()?, sides.next());
            match name.to_ascii_lowercase().as_slice() {
                b"server_no_context_takeover" if value.is_none() && !terms.server_alone => {
                    terms.server_alone = true;
                }
                b"client_no_context_takeover" if value.is_none() && !terms.client_alone => {
                    terms.client_alone = true;
                }
                b"server_max_window_bits" if terms.server_bits.is_none() => {
                    terms.server_bits = Some(bits(value?)?);
                }
                b"client_max_window_bits" if terms.client_bits == Bits::Unsaid => {
                    terms.client_bits = match value {
                        None => Bits::Any,
                        Some(value) => Bits::Up(bits(value)?),
                    };
                }
                _ => return None,
            }
        }
        Some(terms)
    }
}

/// A window from 8 to 15, possibly in quotes, without leading zeros.
fn bits(value: &[u8]) -> Option<u8> {
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    match bare.unwrap_or(value) {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// The parts of a list. No value that means anything here contains a separator in quotes.
fn split(list: &[u8], at: u8) -> impl Iterator<Item = &[u8]> {
    list.split(move |&byte| byte == at).map(<[u8]>::trim_ascii)
}

/// Contexts that connections without takeover use in turn.
#[derive(Debug, Default)]
pub struct Pool {
    inflate: Option<Decompress>,
    deflate: Option<(u8, u8, Compress)>,
}

/// The context of what is received.
#[derive(Debug)]
pub(super) struct Inflater {
    takeover: bool,
    bits: u8,
    context: Option<Decompress>,
}

impl Inflater {
    pub(super) fn new(direction: Direction) -> Self {
        let bits = direction.bits.clamp(9, WIDEST);
        Inflater { takeover: direction.takeover, bits, context: None }
    }

    /// Appends what `input` inflates to. A message that passes `limit` is given up on at once, so a
    /// few bytes cannot become gigabytes.
    pub(super) fn inflate(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
        pool: &mut Pool,
    ) -> Result<(), Refusal> {
        let (takeover, bits) = (self.takeover, self.bits);
        let context = self.context.get_or_insert_with(|| {
            let bits = if takeover { bits } else { WIDEST };
            let ours = pool.inflate.take_if(|_| !takeover);
            ours.unwrap_or_else(|| Decompress::new_with_window_bits(false, bits))
        });
        loop {
            if out.len() == out.capacity() {
                out.reserve(input.len().saturating_mul(3).clamp(256, 64 * 1024));
            }
            let (read, wrote) = (context.total_in(), context.total_out());
            let status = context
                .decompress_vec(input, out, FlushDecompress::None)
                .map_err(|_| Refusal::Deflate)?;
            let read = usize::try_from(context.total_in() - read).unwrap_or(usize::MAX);
            let has_moved = read > 0 || context.total_out() > wrote;
            input = input.get(read..).unwrap_or_default();
            if out.len() > limit {
                return Err(Refusal::MessageTooBig);
            }
            match status {
                // A block may say that it is the last (RFC 7692 §7.2.3.4); the message goes on.
                Status::StreamEnd => context.reset(false),
                _ if out.len() == out.capacity() => {}
                _ if input.is_empty() => return Ok(()),
                _ if has_moved => {}
                _ => return Err(Refusal::Deflate),
            }
        }
    }

    /// The message is complete.
    pub(super) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        limit: usize,
        pool: &mut Pool,
    ) -> Result<(), Refusal> {
        self.inflate(&TAIL, out, limit, pool)?;
        if !self.takeover
            && let Some(mut context) = self.context.take()
        {
            context.reset(false);
            pool.inflate = Some(context);
        }
        Ok(())
    }
}

/// The context of what is sent.
#[derive(Debug)]
pub(super) struct Deflater {
    direction: Direction,
    context: Option<Compress>,
}

impl Deflater {
    pub(super) fn new(direction: Direction) -> Self {
        Deflater { direction, context: None }
    }

    /// True if a message of this length is worth it.
    pub(super) fn wants(&self, length: usize) -> bool {
        length >= self.direction.from.max(1)
    }

    /// Appends `message`, compressed. False if it cannot be, and then nothing is appended.
    pub(super) fn deflate(&mut self, message: &[u8], out: &mut Vec<u8>, pool: &mut Pool) -> bool {
        let Direction { takeover, bits, level, .. } = self.direction;
        let mut context = match (self.context.take(), pool.deflate.take_if(|_| !takeover)) {
            (Some(context), _) => context,
            (None, Some((b, l, context))) if (b, l) == (bits, level) => context,
            _ => Compress::new_with_window_bits(Compression::new(level.into()), false, bits),
        };
        let from = out.len();
        let is_done = pack(&mut context, message, out);
        if takeover {
            self.context = Some(context);
        } else {
            context.reset();
            pool.deflate = Some((bits, level, context));
        }
        if !is_done {
            out.truncate(from);
            self.context = None;
        }
        is_done
    }
}

/// One message, flushed, without the tail.
fn pack(context: &mut Compress, mut message: &[u8], out: &mut Vec<u8>) -> bool {
    // What cannot be compressed grows by five bytes in 16 KiB. With room to spare at its end, a
    // flush is not followed by another one.
    out.reserve(message.len() + message.len() / 1024 + 64);
    loop {
        let (read, wrote) = (context.total_in(), context.total_out());
        if context.compress_vec(message, out, FlushCompress::Sync).is_err() {
            return false;
        }
        let read = usize::try_from(context.total_in() - read).unwrap_or(usize::MAX);
        message = message.get(read..).unwrap_or_default();
        if message.is_empty() && out.len() < out.capacity() {
            break;
        }
        if read == 0 && context.total_out() == wrote && out.len() < out.capacity() {
            return false;
        }
        out.reserve(message.len() + 64);
    }
    let has_tail = out.ends_with(&TAIL);
    out.truncate(out.len() - if has_tail { TAIL.len() } else { 0 });
    has_tail
}
