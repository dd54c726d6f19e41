//! What the parts of a reactor share while they work on one entry of its table.

use std::collections::VecDeque;
use std::io;

use crate::buf::Out;
use crate::connection::{Connection, Io};
use crate::probe::{Call, Fact, LEVEL, Operation, Probe, Stall};
use crate::reactor::rule::Rules;
use crate::reactor::timers::Timers;
use crate::reactor::world::{Ready, World};
use crate::session::Env;
use crate::time::Moment;
use crate::token::Token;

/// Everything of a reactor but its table.
pub(crate) struct Core<W> {
    pub(crate) world: W,
    pub(crate) env: Env,
    /// The loop's one read buffer.
    pub(crate) scratch: Box<[u8]>,
    /// Output of the connection at work; empty between drives.
    pub(crate) out: Out,
    pub(crate) timers: Timers,
    /// Entries with work left that no event will announce.
    pub(crate) run: VecDeque<Token>,
    /// TLS handshakes that wait for a turn that may compute them.
    pub(crate) handshaking: VecDeque<Token>,
    /// Entries whose backlog got messages in this turn.
    pub(crate) dirty: Vec<Token>,
    /// TLS handshakes that may still compute in this turn.
    pub(crate) handshakes: u32,
    /// A connection or a descriptor became free in this turn.
    pub(crate) freed: bool,
    /// A shortage that listeners meet is logged, and not again before this.
    pub(crate) complained: Moment,
    pub(crate) rules: Rules,
    /// The last call that held the loop in this turn.
    pub(crate) stall: Option<Stall>,
}

impl<W: World> Core<W> {
    /// Emits a fact.
    #[inline]
    pub(crate) fn fact(&mut self, fact: Fact) {
        self.env.counters.fact(fact);
        self.world.fact(fact);
        if self.env.recorder.is_on() {
            self.env.recorder.record(fact);
        }
    }

    /// The world was asked to watch a socket.
    pub(crate) fn interest(&mut self, token: Token, reads: bool, writes: bool) {
        if !self.env.recorder.is_on() {
            return;
        }
        let mut bits = Ready::default();
        if reads {
            bits.insert(Ready::READABLE);
        }
        if writes {
            bits.insert(Ready::WRITABLE);
        }
        let bits = bits.0 | if W::LEVEL { LEVEL } else { 0 };
        self.env.recorder.interest(token, bits);
    }

    /// An operation on a socket has failed.
    #[cold]
    pub(crate) fn failed(&mut self, token: Token, during: Operation, error: &io::Error) {
        let errno = error.raw_os_error().unwrap_or(0);
        self.fact(Fact::Failed { token, during, errno });
    }

    /// The time before a call of a session, for [`called`](Self::called); nobody looks at a clock
    /// while nobody watches.
    #[inline]
    pub(crate) fn clock(&mut self) -> Moment {
        if !self.env.recorder.is_on() {
            return Moment::START;
        }
        let now = self.world.now();
        self.env.recorder.tick(now);
        if self.env.recorder.wants_cpu() {
            let cpu = self.world.cpu();
            self.env.recorder.tick_cpu(cpu);
        }
        now
    }

    /// A session was called at `began` and has returned.
    #[inline]
    pub(crate) fn called(
        &mut self,
        token: Token,
        call: Call,
        began: Moment,
        connection: &Connection,
    ) {
        if self.env.recorder.is_on() {
            self.timed(token, call, began);
            self.stages(token, connection, call);
        }
    }

    /// A call may have changed where a connection is.
    #[inline]
    pub(crate) fn stages(&mut self, token: Token, connection: &Connection, why: Call) {
        if self.env.recorder.is_on() {
            let (life, stage) = connection.stages();
            self.env.recorder.stages(token, life, stage, why);
        }
    }

    /// A call that began at `began` is over.
    #[inline]
    pub(crate) fn timed(&mut self, token: Token, call: Call, began: Moment) {
        // Who was called before recording began was not timed.
        if began == Moment::START {
            return;
        }
        let now = self.world.now();
        self.env.recorder.tick(now);
        if self.env.recorder.called(token, call, began) {
            self.stalled(token, call, began);
        }
    }

    #[cold]
    fn stalled(&mut self, token: Token, call: Call, began: Moment) {
        let cpu = self.world.cpu();
        let stall = self.env.recorder.stalled(token, call, began, cpu);
        self.env.counters.stalls += 1;
        self.env.counters.stalls_parked += u64::from(!stall.is_computing());
        self.stall = Some(stall);
    }

    /// Arms a deadline.
    #[inline]
    pub(crate) fn arm(&mut self, armed: &mut Moment, deadline: Moment, token: Token) {
        if self.timers.arm(armed, deadline, token) {
            self.fact(Fact::Armed { token, due: deadline });
        }
    }

    /// Splits off what a connection needs during a call.
    #[inline]
    pub(crate) fn io(&mut self, token: Token, unsent: usize) -> Io<'_> {
        Io { out: &mut self.out, env: &mut self.env, token, unsent }
    }
}
