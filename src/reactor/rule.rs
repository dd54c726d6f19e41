//! The rules that keep an edge-triggered loop right, by name.
//!
//! In builds with debug assertions each can be switched off, so that the simulator can show that
//! it would notice. In release builds the question compiles to `true`.

/// A rule of the drive or of its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// An event's generation must be that of the entry.
    Generation,
    /// `WouldBlock` clears the ready bit.
    BlockedClears,
    /// A short read ends reading, but not when the peer has ended its stream.
    ShortReadUnlessClosed,
    /// Reading stops at a budget.
    ReadBudget,
    /// What a budget left over goes to the run queue.
    BudgetRequeues,
    /// New output goes behind output that waits already.
    BacklogFirst,
    /// The first blocked write asks for write readiness.
    WatchWrites,
    /// Reading stops at the high watermark.
    HighWater,
    /// A backlog that fell under the low watermark is an event of its own.
    DrainEdge,
    /// Whatever un-pauses a connection has it driven.
    ResumeRequeues,
    /// A timer that fires before its entry's deadline is armed again.
    LazyTimer,
    /// A listener that used up its share accepts the rest in the next turn.
    AcceptRequeues,
    /// A listener that ran out of descriptors tries again.
    AcceptRetry,
    /// A connect is over when its socket says so, whatever an event says.
    ConnectAsks,
    /// Closing after an error reads on for a while, so that the reply survives.
    Linger,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 15] = [
        Rule::Generation,
        Rule::BlockedClears,
        Rule::ShortReadUnlessClosed,
        Rule::ReadBudget,
        Rule::BudgetRequeues,
        Rule::BacklogFirst,
        Rule::WatchWrites,
        Rule::HighWater,
        Rule::DrainEdge,
        Rule::ResumeRequeues,
        Rule::LazyTimer,
        Rule::AcceptRequeues,
        Rule::AcceptRetry,
        Rule::ConnectAsks,
        Rule::Linger,
    ];
}

/// Which rule, if any, is switched off.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    #[cfg(debug_assertions)]
    broken: Option<Rule>,
}

impl Rules {
    /// True if `rule` is to be kept.
    #[inline(always)]
    pub(crate) fn keep(self, rule: Rule) -> bool {
        #[cfg(debug_assertions)]
        return self.broken != Some(rule);
        #[cfg(not(debug_assertions))]
        {
            let _ = rule;
            true
        }
    }

    /// Switches `rule` off.
    #[cfg(debug_assertions)]
    pub(crate) fn break_rule(&mut self, rule: Rule) {
        self.broken = Some(rule);
    }
}
