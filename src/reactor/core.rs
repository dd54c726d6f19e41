//! What the parts of a reactor share while they work on one entry of its table.

use std::collections::VecDeque;

use crate::buf::Out;
use crate::connection::Io;
use crate::probe::{Fact, Probe};
use crate::reactor::rule::Rules;
use crate::reactor::timers::Timers;
use crate::reactor::world::World;
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
    /// Listeners that wait for that.
    pub(crate) paused: usize,
    /// A shortage that listeners meet is logged, and not again before this.
    pub(crate) complained: Moment,
    pub(crate) rules: Rules,
}

impl<W: World> Core<W> {
    /// Emits a fact.
    #[inline]
    pub(crate) fn fact(&mut self, fact: Fact) {
        self.env.counters.fact(fact);
        self.world.fact(fact);
    }

    /// Arms a deadline.
    #[inline]
    pub(crate) fn arm(&mut self, armed: &mut Moment, deadline: Moment, token: Token) {
        if self.timers.arm(armed, deadline, token) {
            self.fact(Fact::Armed { token });
        }
    }

    /// Splits off what a connection needs during a call.
    #[inline]
    pub(crate) fn io(&mut self, token: Token, unsent: usize) -> Io<'_> {
        Io { out: &mut self.out, env: &mut self.env, token, unsent }
    }
}
