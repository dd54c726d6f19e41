//! The server's side of a connection as a machine.

use memchr::memchr;

use super::Refusal;
use super::body::{Body, Piece, Trailers};
use super::head::{self, Head, Memo};
use crate::limits::Limits;

/// What a client's bytes mean.
#[derive(Debug)]
pub enum Event<'i> {
    /// A request's head.
    Request(Head<'i>),
    /// A piece of its body.
    Data(&'i [u8]),
    /// The fields after its last chunk, if there are any.
    Trailers(Trailers<'i>),
    /// The request is complete. Nothing follows until [`Server::next`].
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a head, or before one; so many of its bytes are known not to end it.
    Head { seen: u32 },
    /// In a body.
    Body(Body),
    /// The request is complete, its reply is not.
    Replying,
}

/// The machine of one connection. Small, because idle connections are many.
#[derive(Debug)]
pub struct Server {
    state: State,
}

impl Server {
    /// A machine before its first request.
    pub const fn new() -> Self {
        Server { state: State::Head { seen: 0 } }
    }

    /// The next event of `input`, which is advanced past what was used. `None`: more bytes are
    /// needed, or the reply to a complete request is outstanding.
    ///
    /// What was not used must be offered again, followed by whatever has come since.
    ///
    /// # Errors
    ///
    /// What the peer sent is refused; nothing after it can be read.
    #[inline]
    pub fn next_event<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        memo: &'e mut Memo,
        limits: &Limits,
    ) -> Result<Option<Event<'e>>, Refusal> {
        match &mut self.state {
            State::Head { seen: 0 } if input.is_empty() => Ok(None),
            State::Head { seen } => {
                if !worth_parsing(input, seen, limits) {
                    return Ok(None);
                }
                let Some((head, length)) = head::read(input, memo, limits)? else {
                    return Ok(None);
                };
                *input = &input[length..];
                self.state = State::Body(Body::new(head.framing));
                Ok(Some(Event::Request(head)))
            }
            State::Body(body) => {
                let piece = body.next(input, limits)?;
                Ok(piece.map(|piece| match piece {
                    Piece::Data(data) => Event::Data(data),
                    Piece::Trailers(fields) => Event::Trailers(fields),
                    Piece::End => {
                        self.state = State::Replying;
                        Event::End
                    }
                }))
            }
            State::Replying => Ok(None),
        }
    }

    /// The reply is complete: the next request may begin. Does nothing while the request is not.
    /// After the head of a request without a body, the event of its end need not be asked for.
    #[inline]
    pub fn next(&mut self) {
        let over = match self.state {
            State::Replying => true,
            State::Body(body) => body.is_done(),
            State::Head { .. } => false,
        };
        if over {
            self.state = State::Head { seen: 0 };
        }
    }

    /// True between requests and inside a head.
    #[inline]
    pub fn in_head(&self) -> bool {
        matches!(self.state, State::Head { .. })
    }

    /// True if a head has begun and not ended.
    #[inline]
    pub fn has_started(&self) -> bool {
        matches!(self.state, State::Head { seen } if seen > 0)
    }

    /// The stream has ended: well between requests and after one, truncated inside.
    ///
    /// # Errors
    ///
    /// [`Refusal::Truncated`].
    pub fn eof(&self) -> Result<(), Refusal> {
        match self.state {
            State::Head { seen: 0 } | State::Replying => Ok(()),
            State::Head { .. } | State::Body(_) => Err(Refusal::Truncated),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Server::new()
    }
}

/// A head that arrives byte by byte is not parsed at every byte: only when a line has ended or a
/// limit is passed since the last look.
#[inline]
pub(super) fn worth_parsing(input: &[u8], seen: &mut u32, limits: &Limits) -> bool {
    let before = *seen as usize;
    *seen = u32::try_from(input.len()).unwrap_or(u32::MAX);
    let passes = |limit: usize| before <= limit && input.len() > limit;
    before == 0
        || passes(limits.request_line)
        || passes(limits.head_bytes.saturating_sub(1))
        || input.get(before..).is_some_and(|new| memchr(b'\n', new).is_some())
}

// Every idle connection has one.
const _: () = assert!(size_of::<Server>() <= 24);
