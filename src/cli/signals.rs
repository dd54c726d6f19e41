//! Signals as events: a handler that writes a byte into a socket pair, and the loop reads it.
//!
//! Only the command takes signals; the library never does.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level::pipe;

use crate::Reactor;
use crate::session::{Env, Op};

/// SIGTERM and SIGINT drain the loop within `drain`; the second one stops it. SIGHUP calls `reload`,
/// SIGUSR1 `record`.
pub(super) fn watch(
    reactor: &mut Reactor,
    drain: Duration,
    mut reload: impl FnMut() + 'static,
    record: impl FnMut(&mut Env) + 'static,
) -> io::Result<()> {
    let mut asked = false;
    on(reactor, &[SIGTERM, SIGINT], move |env| {
        if asked {
            log::warn!(target: "readyloop", "a second signal: stopping with {} connections open", env.live);
            env.ops.push(Op::Stop);
        } else {
            let seconds = drain.as_secs_f64();
            log::info!(target: "readyloop", "draining {} connections within {seconds} s; a second signal stops at once", env.live);
            asked = true;
            env.ops.push(Op::Drain(drain));
        }
    })?;
    on(reactor, &[SIGHUP], move |_| reload())?;
    on(reactor, &[SIGUSR1], record)
}

/// Calls `then` on the loop once for each of `signals` that arrives.
fn on(
    reactor: &mut Reactor,
    signals: &[i32],
    mut then: impl FnMut(&mut Env) + 'static,
) -> io::Result<()> {
    let (mut receiver, sender) = UnixStream::pair()?;
    receiver.set_nonblocking(true)?;
    for signal in signals {
        pipe::register(*signal, sender.try_clone()?)?;
    }
    let watched = OwnedFd::from(receiver.try_clone()?);
    let on_ready = move |_, env: &mut Env| {
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = receiver.read(&mut bytes) {
            (0..count).for_each(|_| then(env));
        }
    };
    reactor.external(watched, Box::new(on_ready))?;
    Ok(())
}
