//! The fault plan: what goes wrong, and how often.

use std::time::Duration;

use super::rng::Rng;

/// Something that an operating system, a network or a peer does to a loop.
///
/// Each is legal: after a spurious `WouldBlock`, or a read or write that stops short, the simulated
/// kernel raises a fresh edge some time later, as a real one would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A read returns less than there is.
    ShortRead,
    /// A write takes less than there is room for.
    ShortWrite,
    /// A read would block although there is something.
    BlockedRead,
    /// A write would block although there is room.
    BlockedWrite,
    /// A call is interrupted by a signal.
    Interrupted,
    /// A poll returns before its time, with nothing.
    EarlyReturn,
    /// An event for a socket that is not ready.
    SpuriousEvent,
    /// An event that comes twice.
    RepeatedEvent,
    /// An event for a socket that was closed before.
    StaleEvent,
    /// Events in another order than they were raised.
    Reordered,
    /// Read and write readiness as two events.
    SplitEvent,
    /// A connection that is gone when it is accepted.
    AbortedAccept,
    /// An accept that would block although somebody waits.
    BlockedAccept,
    /// The virtual clock leaps, as after a suspended machine.
    ClockJump,
    /// An off-loaded job is refused.
    RefusedJob,
    /// A datagram is lost.
    LostDatagram,
    /// A datagram socket reports an error that an earlier datagram brought back.
    DatagramError,
    /// Bytes take long to arrive.
    SlowNetwork,
}

impl Fault {
    const COUNT: usize = Fault::SlowNetwork as usize + 1;
}

/// How often each fault strikes, and the dice.
#[derive(Clone, Debug)]
pub struct Faults {
    per_mille: [u16; Fault::COUNT],
    rng: Rng,
}

impl Faults {
    /// A world where nothing goes wrong.
    pub fn none(rng: Rng) -> Self {
        Faults { per_mille: [0; Fault::COUNT], rng }
    }

    /// A mix that `rng` chooses: each fault is absent, rare or frequent, so that seeds differ in
    /// kind and not only in detail.
    pub fn random(mut rng: Rng) -> Self {
        let mut per_mille = [0; Fault::COUNT];
        let intensity = rng.pick(&[0, 1, 1, 2]);
        for rate in &mut per_mille {
            *rate = match intensity {
                0 => 0,
                1 => rng.pick(&[0, 0, 5, 30, 150]),
                _ => rng.pick(&[0, 30, 150, 400]),
            };
        }
        let mut faults = Faults { per_mille, rng };
        // A clock that leaps often would end every connection before it did anything.
        let jumps = faults.rng.pick(&[0, 0, 0, 0, 0, 0, 1, 4]);
        faults.with(Fault::ClockJump, jumps)
    }

    /// The same plan with another rate for one fault.
    pub fn with(mut self, fault: Fault, per_mille: u16) -> Self {
        self.per_mille[fault as usize] = per_mille;
        self
    }

    /// How often `fault` strikes, of a thousand chances.
    pub fn rate(&self, fault: Fault) -> u16 {
        self.per_mille[fault as usize]
    }

    /// Throws the dice: does it happen now?
    pub fn strikes(&mut self, fault: Fault) -> bool {
        self.rng.chance(self.per_mille[fault as usize])
    }

    /// How long bytes travel.
    pub fn latency(&mut self) -> Duration {
        let slow = self.strikes(Fault::SlowNetwork);
        self.rng.time(Duration::from_micros(if slow { 30_000 } else { 400 }))
    }

    /// How long a kernel takes to raise the edge that follows a fault.
    pub fn pause(&mut self) -> Duration {
        self.rng.time(Duration::from_millis(3))
    }

    /// The dice themselves.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }
}
