//! What must be true whenever the loop goes to sleep: that nothing is left to do, and that it will
//! wake in time. A lost edge shows here, as a sleep with work pending.

use std::time::Duration;

use super::World;
use super::conn::Conn;
use super::seen::Seen;
use crate::limits::Limits;
use crate::reactor::world::Ready;
use crate::session::CloseMode;
use crate::time::Moment;
use crate::token::Token;

/// Turns after which somebody who has work pending must have been served.
const PATIENCE: u32 = 6;

impl World {
    /// Looks at every socket before the loop waits for at most `timeout`.
    pub(super) fn watch_over(&mut self, timeout: Option<Duration>) {
        let sleeps = timeout != Some(Duration::ZERO);
        let mut wrong: Vec<(Option<Token>, String)> = Vec::new();
        self.watch_conns(sleeps, &mut wrong);
        if sleeps {
            let now = self.net.borrow().now;
            let until = timeout.map_or(Moment::NEVER, |timeout| now + timeout);
            self.watch_listeners(until, &mut wrong);
            self.watch_mailboxes(&mut wrong);
            self.watch_time(until, &mut wrong);
        }
        for (token, what) in wrong {
            self.checks.borrow_mut().violate(token, what);
        }
    }

    fn watch_conns(&self, sleeps: bool, wrong: &mut Vec<(Option<Token>, String)>) {
        let mut check = self.checks.borrow_mut();
        let limits = check.limits.clone();
        let mut net = self.net.borrow_mut();
        for (token, seen) in check.seen.iter_mut().filter(|(_, seen)| seen.closed.is_none()) {
            let Some(conn) = seen.conn.map(|index| &mut net.conns[index]) else { continue };
            if conn.local.token.is_none() {
                wrong.push((Some(*token), "it was never registered".into()));
                continue;
            }
            for what in unserved(conn, seen, &limits, sleeps) {
                wrong.push((Some(*token), what));
            }
        }
    }

    fn watch_listeners(&self, until: Moment, wrong: &mut Vec<(Option<Token>, String)>) {
        let (check, net) = (self.checks.borrow(), self.net.borrow());
        let live = check.seen.values().filter(|seen| seen.closed.is_none()).count();
        for listener in &net.listeners {
            if listener.closed || listener.queue.is_empty() || listener.edge || listener.owed {
                continue;
            }
            let (token, waiting) = (Some(listener.token), listener.queue.len());
            let paused = check.paused.contains_key(&listener.token);
            if paused && live >= check.limits.connections {
                continue;
            }
            if !paused {
                wrong.push((token, format!("sleeps while {waiting} wait to be accepted")));
            } else if until > net.now + check.limits.accept_retry {
                wrong.push((
                    token,
                    format!("sleeps until {until:?}, {waiting} wait to be accepted"),
                ));
            }
        }
    }

    fn watch_mailboxes(&self, wrong: &mut Vec<(Option<Token>, String)>) {
        for mailbox in &self.net.borrow().mailboxes {
            let (token, arrived) = (Some(mailbox.token), mailbox.arrived.len());
            if !mailbox.closed && arrived > 0 && !mailbox.edge.has(Ready::READABLE) {
                wrong.push((token, format!("sleeps while {arrived} datagrams wait")));
            }
        }
    }

    fn watch_time(&self, until: Moment, wrong: &mut Vec<(Option<Token>, String)>) {
        let (check, now) = (self.checks.borrow(), self.net.borrow().now);
        if let Some((due, token, what)) = check.must_wake()
            && until > due.max(now)
        {
            wrong.push((Some(token), format!("sleeps until {until:?}, past {what} at {due:?}")));
        }
    }
}

/// What is left undone for one connection.
fn unserved(conn: &mut Conn, seen: &Seen, limits: &Limits, sleeps: bool) -> Vec<String> {
    let (level, unsent) = (conn.level(), seen.unsent());
    let local = &mut conn.local;
    let announced = |bit: Ready| !local.edge.has(bit) && !local.owed.has(bit);
    let open = seen.closing.is_none() && !seen.close_asked;
    let listens = open && !seen.paused || seen.closing == Some(CloseMode::Linger);
    let mut found = Vec::new();
    let readable = level.has(Ready::READABLE) && announced(Ready::READABLE);
    // A session that waits for room and has left input gets no more of it.
    let is_full = seen.wants_drain && seen.holds;
    if readable && listens && !seen.ended && !is_full && unsent <= limits.low_water {
        let turns = local.unserved + 1;
        if sleeps {
            found.push("sleeps while it has something to read".into());
        } else if turns == PATIENCE {
            found.push(format!("has had something to read for {turns} turns"));
        }
        local.unserved = turns;
    } else {
        local.unserved = 0;
    }
    if !sleeps {
        return found;
    }
    let local = &conn.local;
    let told = local.edge.0 | local.owed.0 == 0;
    if unsent > 0 && level.has(Ready::WRITABLE) && told {
        found.push(format!("sleeps with {unsent} bytes to send and room for them"));
    }
    if local.reset && told {
        found.push("sleeps though the connection was reset".into());
    }
    if seen.dialled && !seen.opened && open && level.has(Ready::WRITABLE) && told {
        found.push("sleeps though its connection has come about".into());
    }
    if open && seen.wants_drain && unsent <= limits.low_water {
        found.push(format!("sleeps though its session may produce: {unsent} unsent"));
    }
    if open && seen.posted.iter().any(|posted| !posted.is_empty()) {
        found.push("sleeps on a message".into());
    }
    found
}
