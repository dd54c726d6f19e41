//! [`Handle`]: the loop as other threads see it.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::reactor::world::Wake;
use crate::session::http::{ReplyTo, Response};
use crate::session::{CloseMode, Env, Message};
use crate::token::Token;

/// A command from another thread.
pub(crate) enum Command {
    Send(Token, Message),
    Close(Token, CloseMode),
    Drain(Duration),
    Stop,
    Exec(Box<dyn FnOnce(&mut Env) + Send>),
}

/// A way to reach a loop from any thread. Cheap to clone; outliving the loop does no harm.
///
/// Commands are carried out in order. However many are given before the loop looks, it is woken
/// once.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

/// The mailbox between handles and their loop.
pub(crate) struct Shared {
    queue: Mutex<VecDeque<Command>>,
    pending: AtomicBool,
    gone: AtomicBool,
    cap: usize,
    waker: Arc<dyn Wake>,
}

impl Shared {
    pub(crate) fn new(cap: usize, waker: Arc<dyn Wake>) -> Arc<Self> {
        Arc::new(Shared {
            queue: Mutex::new(VecDeque::new()),
            pending: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            cap,
            waker,
        })
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Command>> {
        // A queue is whole between any two operations on it, so a poisoned lock hides no harm.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if commands may be waiting; costs one atomic load.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Takes at most `max` commands.
    pub(crate) fn take(&self, max: usize) -> Vec<Command> {
        self.pending.store(false, Ordering::Release);
        let mut queue = self.lock();
        let count = queue.len().min(max);
        let commands = queue.drain(..count).collect();
        if !queue.is_empty() {
            self.pending.store(true, Ordering::Release);
        }
        commands
    }

    /// The loop is gone: nothing more is accepted, what waits is dropped.
    pub(crate) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
        self.lock().clear();
    }

    fn push(&self, command: Command, bounded: bool) -> Result<(), SendError> {
        let mut queue = self.lock();
        // Looked at under the lock, so that no command is taken and then forgotten.
        if self.gone.load(Ordering::Acquire) {
            return Err(SendError::Gone);
        }
        if bounded && queue.len() >= self.cap {
            return Err(SendError::Full);
        }
        queue.push_back(command);
        drop(queue);
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
        Ok(())
    }
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Handle(shared)
    }

    /// Sends a message to a connection; dropped there if the connection is gone by then.
    ///
    /// # Errors
    ///
    /// [`SendError`]: too much waits already, or the loop has ended.
    pub fn send(&self, to: Token, message: Message) -> Result<(), SendError> {
        self.0.push(Command::Send(to, message), true)
    }

    /// Answers a request that was promised an answer for later.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn reply(&self, to: ReplyTo, response: Response) -> Result<(), SendError> {
        self.send(to.token(), to.message(response))
    }

    /// Closes a connection.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn close(&self, token: Token, mode: CloseMode) -> Result<(), SendError> {
        self.0.push(Command::Close(token, mode), true)
    }

    /// Runs `job` on the loop's thread, between two turns' events. It must not block.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn exec(&self, job: impl FnOnce(&mut Env) + Send + 'static) -> Result<(), SendError> {
        self.0.push(Command::Exec(Box::new(job)), true)
    }

    /// Ends the loop gracefully: no new connections, what is in flight is finished, and whatever
    /// is still open after `deadline` is cut off.
    ///
    /// # Errors
    ///
    /// [`SendError::Gone`]. However much waits, this is taken.
    pub fn drain(&self, deadline: Duration) -> Result<(), SendError> {
        self.0.push(Command::Drain(deadline), false)
    }

    /// Ends the loop after the turn under way.
    ///
    /// # Errors
    ///
    /// [`SendError::Gone`]. However much waits, this is taken.
    pub fn stop(&self) -> Result<(), SendError> {
        self.0.push(Command::Stop, false)
    }

    /// The result of off-loaded work: it was bounded when the job was taken, so it always fits.
    pub(crate) fn deliver(&self, to: Token, message: Message) {
        // Where the loop is gone nobody waits for the result.
        let _ = self.0.push(Command::Send(to, message), false);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// `Limits::commands` are waiting already. Try again, or shed load.
    Full,
    /// The loop has ended.
    Gone,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Full => "the loop's command queue is full",
            SendError::Gone => "the loop has ended",
        })
    }
}

impl Error for SendError {}
