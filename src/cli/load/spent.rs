//! What the process itself has spent: CPU time and context switches (`getrusage`).

use std::io;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::measure::ClientUse;

/// Totals since the process began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    user_us: u64,
    system_us: u64,
    voluntary: u64,
    involuntary: u64,
}

impl Spent {
    /// Until now.
    pub(super) fn now() -> io::Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        Ok(Spent {
            user_us: micros(usage.user_time()),
            system_us: micros(usage.system_time()),
            voluntary: u64::try_from(usage.voluntary_context_switches()).unwrap_or(0),
            involuntary: u64::try_from(usage.involuntary_context_switches()).unwrap_or(0),
        })
    }

    /// What came after `before`.
    pub(super) fn since(&self, before: &Spent) -> ClientUse {
        ClientUse {
            user_us: self.user_us.saturating_sub(before.user_us),
            system_us: self.system_us.saturating_sub(before.system_us),
            voluntary: self.voluntary.saturating_sub(before.voluntary),
            involuntary: self.involuntary.saturating_sub(before.involuntary),
            spins: false,
        }
    }
}

fn micros(time: TimeVal) -> u64 {
    u64::try_from(time.num_microseconds()).unwrap_or(0)
}
