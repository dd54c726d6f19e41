//! Datagram sockets: receive up to a budget, answer in batches, drop what does not fit and say so.

use std::io::ErrorKind;

use crate::probe::{Call, Fact};
use crate::reactor::core::Core;
use crate::reactor::world::{DatagramSocket, Ready, World};
use crate::session::datagram::{Datagram, DatagramSession, Outbox};
use crate::token::Token;

/// How many datagrams are asked of the system at a time.
const BATCH: usize = 32;

/// A datagram socket and what it runs.
pub(crate) struct DatagramEntry<W: World> {
    pub(crate) socket: W::Datagram,
    pub(crate) session: Box<dyn DatagramSession>,
    pub(crate) outbox: Outbox,
    pub(crate) generation: u32,
    pub(crate) ready: Ready,
    pub(crate) queued: bool,
}

/// Sends what waits, receives what is there, sends the answers.
pub(crate) fn drive<W: World>(entry: &mut DatagramEntry<W>, token: Token, core: &mut Core<W>) {
    exchange(entry, token, core);
    if W::LEVEL {
        core.world.want_datagram(&entry.socket, token, !entry.outbox.is_empty());
    }
}

fn exchange<W: World>(entry: &mut DatagramEntry<W>, token: Token, core: &mut Core<W>) {
    send(entry, token, core);
    let mut budget = core.env.limits.datagrams_per_turn as usize;
    while entry.ready.has(Ready::READABLE) {
        if budget == 0 {
            core.fact(Fact::Budget { token });
            queue(entry, token, core);
            return;
        }
        let batch = budget.min(BATCH);
        match receive(entry, token, core, batch) {
            Ok(count) => {
                budget -= count;
                // A batch that was not filled emptied the socket; the next arrival is a new edge.
                if count < batch {
                    entry.ready.remove(Ready::READABLE);
                }
            }
            Err(ErrorKind::WouldBlock) => {
                core.fact(Fact::Blocked { token, writing: false });
                entry.ready.remove(Ready::READABLE);
            }
            // An error that an earlier datagram of ours brought back: it concerns nobody here.
            Err(kind) => {
                log::debug!("receive on {token}: {kind}");
                budget -= 1;
            }
        }
        send(entry, token, core);
    }
}

/// Puts the entry on the run queue, once.
pub(crate) fn queue<W: World>(entry: &mut DatagramEntry<W>, token: Token, core: &mut Core<W>) {
    if !entry.queued {
        entry.queued = true;
        core.run.push_back(token);
    }
}

fn receive<W: World>(
    entry: &mut DatagramEntry<W>,
    token: Token,
    core: &mut Core<W>,
    batch: usize,
) -> Result<usize, ErrorKind> {
    let DatagramEntry { socket, session, outbox, .. } = entry;
    let Core { world, env, .. } = core;
    let is_watched = env.recorder.is_on();
    // Each is timed until the next one begins; the last one below.
    let (mut under_way, mut stall) = (None, None);
    let mut each = |datagram: Datagram<'_>| {
        let fact = Fact::Received { token, bytes: datagram.data.len() };
        crate::probe::Probe::fact(&mut env.counters, fact);
        world.fact(fact);
        if is_watched {
            let now = world.now();
            env.recorder.tick(now);
            if let Some(began) = under_way.replace(now)
                && env.recorder.called(token, Call::Datagram, began)
            {
                let cpu = world.cpu();
                env.counters.stalls += 1;
                let held = env.recorder.stalled(token, Call::Datagram, began, cpu);
                env.counters.stalls_parked += u64::from(!held.is_computing());
                stall = Some(held);
            }
            env.recorder.record(fact);
        }
        session.on_datagram(datagram, outbox, env);
    };
    let received = socket.receive(batch, &mut each).map_err(|error| error.kind());
    core.stall = stall.or(core.stall);
    if let Some(began) = under_way {
        core.timed(token, Call::Datagram, began);
    }
    received
}

/// Sends from the outbox until it is empty or the socket is full.
fn send<W: World>(entry: &mut DatagramEntry<W>, token: Token, core: &mut Core<W>) {
    for _ in 0..entry.outbox.take_dropped() {
        core.fact(Fact::Dropped { token });
    }
    while !entry.outbox.is_empty() && entry.ready.has(Ready::WRITABLE) {
        match entry.socket.send(&entry.outbox) {
            Ok(count) => {
                for (_, data) in entry.outbox.iter().take(count) {
                    core.fact(Fact::Sent { token, bytes: data.len() });
                }
                entry.outbox.advance(count);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                core.fact(Fact::Blocked { token, writing: true });
                entry.ready.remove(Ready::WRITABLE);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // This datagram cannot be sent (too long, nobody there); the next one may.
            Err(error) => {
                log::debug!("send on {token}: {error}");
                core.fact(Fact::Dropped { token });
                entry.outbox.advance(1);
            }
        }
    }
}
