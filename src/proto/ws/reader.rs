//! What a peer's bytes mean: frames put together to messages (RFC 6455 §5.4–5.6, §8.1).
//!
//! Called by the session with whatever came. It holds an unfinished message and nothing else:
//! between messages it owns no memory. A message that came whole is unmasked in the loop's
//! [`Scratch`].

use super::deflate::{Agreed, Inflater};
use super::frame::{Head, Opcode};
use super::{Pool, Refusal, Role, mask, may_be_sent};

/// What the peer said.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'e> {
    /// A whole text message.
    Text(&'e str),
    /// A whole binary message.
    Binary(&'e [u8]),
    /// A ping, to be answered by a pong with the same bytes.
    Ping(&'e [u8]),
    /// A pong.
    Pong(&'e [u8]),
    /// The close frame. Nothing follows it.
    Close(Close<'e>),
}

/// What a close frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'e> {
    /// Why, as a number.
    pub code: Option<u16>,
    /// Why, in words; often empty.
    pub reason: &'e str,
}

/// How much a peer may say at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one message, after inflating: more is refused with 1009.
    pub message: usize,
    /// Bytes of one frame: more is refused with 1009.
    pub frame: u64,
}

/// Memory that all connections of a loop use in turn. It belongs to nobody between two calls.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The message, plain.
    message: Vec<u8>,
    /// A compressed piece, unmasked.
    packed: Vec<u8>,
    /// Contexts of connections that keep none.
    pool: Pool,
}

impl Scratch {
    /// More than this is given back after use.
    const KEPT: usize = 256 * 1024;

    /// Gives back what an unusually long message has taken. To be called when its event is done.
    #[inline]
    pub fn tidy(&mut self) {
        if self.message.capacity() > Self::KEPT {
            self.message = Vec::new();
        }
        if self.packed.capacity() > Self::KEPT {
            self.packed = Vec::new();
        }
    }
}

/// The receiving half of one connection.
#[derive(Debug)]
pub struct Reader {
    role: Role,
    is_closed: bool,
    inflater: Option<Box<Inflater>>,
    partial: Option<Box<Partial>>,
}

/// A message that has begun and not ended.
#[derive(Debug)]
struct Partial {
    is_text: bool,
    is_packed: bool,
    bytes: Vec<u8>,
    /// So many of the bytes are known to be UTF-8.
    checked: usize,
    /// The frame whose payload has not come in full.
    frame: Option<Frame>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    key: Option<[u8; 4]>,
    length: u64,
    taken: u64,
    is_last: bool,
}

/// How far one step got. What it yields is in the scratch.
enum Step {
    Starved,
    Again,
    Message { is_text: bool },
    Control(Opcode),
}

impl Reader {
    /// A reader at the first frame. `agreed` is what the handshake agreed on about compression.
    pub fn new(role: Role, agreed: Option<Agreed>) -> Self {
        let inflater = agreed.map(|agreed| Box::new(Inflater::new(agreed.received)));
        Reader { role, is_closed: false, inflater, partial: None }
    }

    /// The next event of `input`, which is advanced past what was used. `None`: more is needed.
    ///
    /// What was not used, less than a head and a control frame, must be offered again, followed by
    /// what has come since.
    ///
    /// # Errors
    ///
    /// The peer broke the protocol, or a bound. The connection cannot go on.
    pub fn next_event<'e>(
        &mut self,
        input: &mut &[u8],
        scratch: &'e mut Scratch,
        bounds: &Bounds,
    ) -> Result<Option<Event<'e>>, Refusal> {
        if self.is_closed {
            *input = &[];
            return Ok(None);
        }
        let step = loop {
            match self.step(input, scratch, bounds)? {
                Step::Again => {}
                Step::Starved => return Ok(None),
                step => break step,
            }
        };
        let bytes = &scratch.message[..];
        Ok(Some(match step {
            Step::Message { is_text: true } => {
                Event::Text(str::from_utf8(bytes).map_err(|_| Refusal::Utf8)?)
            }
            Step::Control(Opcode::Ping) => Event::Ping(bytes),
            Step::Control(Opcode::Pong) => Event::Pong(bytes),
            Step::Control(_) => {
                self.is_closed = true;
                self.partial = None;
                Event::Close(close(bytes)?)
            }
            Step::Message { .. } | Step::Starved | Step::Again => Event::Binary(bytes),
        }))
    }

    /// True between two messages. The end of the stream is a truncation otherwise, and it is an
    /// orderly end only after the close frame.
    pub fn is_between(&self) -> bool {
        self.partial.is_none() && !self.is_closed
    }

    /// Bytes of memory that an unfinished message takes.
    #[inline]
    pub fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.bytes.capacity())
    }

    /// True once the peer's close frame has been read.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    #[inline]
    fn step(
        &mut self,
        input: &mut &[u8],
        scratch: &mut Scratch,
        bounds: &Bounds,
    ) -> Result<Step, Refusal> {
        if self.partial.as_ref().is_some_and(|partial| partial.frame.is_some()) {
            return self.take(input, scratch, bounds);
        }
        let Some((head, size)) = Head::read(input)? else { return self.starve(input) };
        let (_, rest) = input.split_at(size);
        self.check(&head, bounds)?;
        let whole = usize::try_from(head.length).ok().and_then(|n| rest.split_at_checked(n));
        if head.opcode.is_control() {
            let Some((payload, after)) = whole else { return Ok(Step::Starved) };
            *input = after;
            unmask(payload, head.key, 0, &mut scratch.message, true);
            return Ok(Step::Control(head.opcode));
        }
        if let (true, None, Some((payload, after))) = (head.is_last, &self.partial, whole) {
            *input = after;
            return self.whole(&head, payload, scratch, bounds);
        }
        *input = rest;
        let partial = self.partial.get_or_insert_with(|| {
            let mut bytes = std::mem::take(&mut scratch.message);
            bytes.clear();
            let is_text = head.opcode == Opcode::Text;
            Box::new(Partial { is_text, is_packed: head.is_packed, bytes, checked: 0, frame: None })
        });
        let Head { key, length, is_last, .. } = head;
        partial.frame = Some(Frame { key, length, taken: 0, is_last });
        Ok(Step::Again)
    }

    /// Without a whole head: is what has come of it still possible?
    fn starve(&self, input: &[u8]) -> Result<Step, Refusal> {
        let [first, second, ..] = input else { return Ok(Step::Starved) };
        // All that `check` looks at, but for the length, is in the first two bytes.
        let front = [*first, *second & 0x80, 0, 0, 0, 0];
        if let Some((head, _)) = Head::read(&front)? {
            self.check(&head, &Bounds { message: usize::MAX, frame: u64::MAX })?;
        }
        Ok(Step::Starved)
    }

    /// Refuses a frame that may not come now.
    #[inline]
    fn check(&self, head: &Head, bounds: &Bounds) -> Result<(), Refusal> {
        if head.key.is_some() != (self.role == Role::Server) {
            return Err(Refusal::Mask);
        }
        match (head.opcode, &self.partial) {
            (Opcode::Continuation, None) => return Err(Refusal::NothingToContinue),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Refusal::MessageInMessage),
            _ => {}
        }
        let may_be_packed =
            self.inflater.is_some() && matches!(head.opcode, Opcode::Text | Opcode::Binary);
        if head.is_packed && !may_be_packed {
            return Err(Refusal::ReservedBit);
        }
        if head.length > bounds.frame {
            return Err(Refusal::FrameTooBig);
        }
        let is_packed = self.partial.as_ref().map_or(head.is_packed, |partial| partial.is_packed);
        let before = self.partial.as_ref().map_or(0, |partial| partial.bytes.len());
        let room = bounds.message.saturating_sub(before) as u64;
        if !head.opcode.is_control() && !is_packed && head.length > room {
            return Err(Refusal::MessageTooBig);
        }
        Ok(())
    }

    /// A message in one frame that is all there.
    #[inline]
    fn whole(
        &mut self,
        head: &Head,
        payload: &[u8],
        scratch: &mut Scratch,
        bounds: &Bounds,
    ) -> Result<Step, Refusal> {
        let Scratch { message, packed, pool } = scratch;
        match &mut self.inflater {
            Some(inflater) if head.is_packed => {
                message.clear();
                unmask(payload, head.key, 0, packed, true);
                inflater.inflate(packed, message, bounds.message, pool)?;
                inflater.finish(message, bounds.message, pool)?;
            }
            _ => unmask(payload, head.key, 0, message, true),
        }
        Ok(Step::Message { is_text: head.opcode == Opcode::Text })
    }

    /// What has come of a frame's payload.
    fn take(
        &mut self,
        input: &mut &[u8],
        scratch: &mut Scratch,
        bounds: &Bounds,
    ) -> Result<Step, Refusal> {
        let Some(partial) = &mut self.partial else { return Ok(Step::Again) };
        let Some(frame) = &mut partial.frame else { return Ok(Step::Again) };
        let left = usize::try_from(frame.length - frame.taken).unwrap_or(usize::MAX);
        let (piece, rest) = input.split_at(left.min(input.len()));
        *input = rest;
        match &mut self.inflater {
            Some(inflater) if partial.is_packed => {
                unmask(piece, frame.key, frame.taken, &mut scratch.packed, true);
                let packed = &scratch.packed;
                inflater.inflate(packed, &mut partial.bytes, bounds.message, &mut scratch.pool)?;
            }
            _ => unmask(piece, frame.key, frame.taken, &mut partial.bytes, false),
        }
        frame.taken += piece.len() as u64;
        let (is_whole, is_last) = (frame.taken == frame.length, frame.is_last);
        if is_whole
            && is_last
            && partial.is_packed
            && let Some(inflater) = &mut self.inflater
        {
            inflater.finish(&mut partial.bytes, bounds.message, &mut scratch.pool)?;
        }
        if partial.is_text {
            partial.check_text()?;
        }
        if !is_whole {
            return Ok(Step::Starved);
        }
        partial.frame = None;
        if !is_last {
            return Ok(Step::Again);
        }
        let is_text = partial.is_text;
        scratch.message = std::mem::take(&mut partial.bytes);
        self.partial = None;
        Ok(Step::Message { is_text })
    }
}

impl Partial {
    /// Looks at the text that has come since the last look: a message that cannot become UTF-8 is
    /// not waited for.
    fn check_text(&mut self) -> Result<(), Refusal> {
        let fresh = self.bytes.get(self.checked..).unwrap_or_default();
        match str::from_utf8(fresh) {
            Ok(_) => self.checked = self.bytes.len(),
            // The last character is not whole yet.
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Refusal::Utf8),
        }
        Ok(())
    }
}

/// Copies a payload, or a piece of one from byte number `at` on, unmasked: into `to`, or behind
/// what is there.
#[inline]
fn unmask(payload: &[u8], key: Option<[u8; 4]>, at: u64, to: &mut Vec<u8>, clear: bool) {
    if clear {
        to.clear();
    }
    let from = to.len();
    to.extend_from_slice(payload);
    if let (Some(key), Some(fresh)) = (key, to.get_mut(from..)) {
        mask::apply(fresh, key, at);
    }
}

/// The body of a close frame (RFC 6455 §5.5.1).
fn close(bytes: &[u8]) -> Result<Close<'_>, Refusal> {
    match bytes {
        [] => Ok(Close { code: None, reason: "" }),
        [a, b, reason @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            if !may_be_sent(code) {
                return Err(Refusal::CloseCode);
            }
            let reason = str::from_utf8(reason).map_err(|_| Refusal::Utf8)?;
            Ok(Close { code: Some(code), reason })
        }
        [_] => Err(Refusal::CloseCode),
    }
}
