//! Changes that wait for one another are committed together: [`Ledger`].
//!
//! A change is entered on the loop and settled by an off-loaded job. While one job commits, others
//! enter; the next job commits all of them at once, and those that come after it find their outcome
//! there already. So many writers cost few waits for the disk, and each is answered only when its
//! change is on it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::store::{Change, Outcome, Store};

/// Changes committed together, at most.
const TOGETHER: usize = 256;

/// The queue of changes before a store.
pub struct Ledger {
    store: Store,
    /// Weak: a job that could not be run takes its change with it.
    waiting: Mutex<VecDeque<Weak<Entry>>>,
    writing: Mutex<()>,
    commits: AtomicU64,
    changes: AtomicU64,
}

type Entry = Mutex<State>;

enum State {
    Waiting(Box<Change>),
    Taken,
    Done(Outcome),
}

/// A change that was entered. Dropped unsettled, it is not made, unless that has begun.
pub struct Ticket {
    ledger: Arc<Ledger>,
    entry: Arc<Entry>,
}

/// What a thread that panicked left is as good as it was: an entry is replaced whole or not at all.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// A ledger without changes.
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Ledger {
            store,
            waiting: Mutex::default(),
            writing: Mutex::default(),
            commits: AtomicU64::default(),
            changes: AtomicU64::default(),
        })
    }

    /// What is committed.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Enters a change. Never waits for the disk.
    pub fn enter(self: &Arc<Self>, change: Change) -> Ticket {
        let entry = Arc::new(Mutex::new(State::Waiting(Box::new(change))));
        lock(&self.waiting).push_back(Arc::downgrade(&entry));
        Ticket { ledger: Arc::clone(self), entry }
    }

    /// Transactions that were committed.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Changes that were in them.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Commits the next changes. False if none waited.
    fn commit(&self) -> bool {
        let entries: Vec<_> = {
            let mut waiting = lock(&self.waiting);
            let count = waiting.len().min(TOGETHER);
            waiting.drain(..count).collect()
        };
        if entries.is_empty() {
            return false;
        }
        let (mut taken, mut changes) = (Vec::new(), Vec::new());
        for entry in entries.iter().filter_map(Weak::upgrade) {
            let state = std::mem::replace(&mut *lock(&entry), State::Taken);
            if let State::Waiting(change) = state {
                changes.push(*change);
                taken.push(entry);
            }
        }
        if taken.is_empty() {
            return true;
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(taken.len() as u64, Ordering::Relaxed);
        let outcomes = self.store.write(changes).unwrap_or_else(|fault| {
            log::error!("notes could not be written: {fault}");
            vec![fault.outcome(); taken.len()]
        });
        for (entry, outcome) in taken.iter().zip(outcomes) {
            *lock(entry) = State::Done(outcome);
        }
        true
    }
}

impl Ticket {
    /// Waits until the change is made or refused. Called off the loop.
    pub fn settle(self) -> Outcome {
        if let Some(outcome) = self.outcome() {
            return outcome;
        }
        let _turn = lock(&self.ledger.writing);
        loop {
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
            // Nothing waits, so whoever took this change did not come back from it.
            if !self.ledger.commit() {
                return Outcome::Failed;
            }
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        let mut state = lock(&self.entry);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(outcome) => Some(outcome),
            other => {
                *state = other;
                None
            }
        }
    }
}

impl Drop for Ticket {
    /// A job that was refused leaves nothing in the queue, however long the disk takes meanwhile.
    /// It was entered just now, so that it is the last.
    fn drop(&mut self) {
        let mut waiting = lock(&self.ledger.waiting);
        if waiting.back().is_some_and(|last| last.as_ptr() == Arc::as_ptr(&self.entry)) {
            waiting.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::notes::{Options, Terms, What};

    #[test]
    fn refused_jobs_leave_nothing_in_the_queue() {
        let ledger = Ledger::new(Store::in_memory(Options::default()).expect("a store"));
        let enter = || {
            let what = What::Delete("a".into());
            ledger.enter(Change { what, terms: Terms::default(), now: 0 })
        };
        let first = enter();
        for _ in 0..10 {
            drop(enter());
        }
        assert_eq!(lock(&ledger.waiting).len(), 1);
        assert_eq!(first.settle(), Outcome::Missing);
        assert_eq!(lock(&ledger.waiting).len(), 0);
    }
}
