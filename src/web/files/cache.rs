//! Files kept in memory, for the loop: bounded, and never trusted for longer than a moment.
//!
//! An entry is fresh for `Options::fresh` after it was last seen unchanged. For as long again it is
//! still served while a check runs off the loop, so that a file which is asked for all the time is
//! never waited for; after that it is checked first. Whoever gets a file therefore gets a state of
//! it that was current at most twice that long ago.
//!
//! Which entry has to go when room is needed: the one longest not asked for, nearly (each is given a
//! second chance if it was asked for since it was last considered).

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::entry::Entry;
use crate::time::Moment;

/// What there may be at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) entries: usize,
    pub(super) bytes: usize,
    pub(super) descriptors: usize,
}

/// Entries by the path that leads to them.
#[derive(Debug)]
pub(super) struct Cache {
    kept: HashMap<Rc<str>, Kept>,
    /// Every path once, in the order in which they are considered.
    order: VecDeque<Rc<str>>,
    bytes: usize,
    descriptors: usize,
    bounds: Bounds,
}

/// An entry and what is known of its freshness.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) entry: Box<Entry>,
    used: bool,
    /// When it was last known to be unchanged.
    seen: Moment,
    /// When the check that runs was begun.
    asked: Moment,
    check: Arc<AtomicU8>,
}

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const SAME: u8 = 2;
const CHANGED: u8 = 3;

/// A check under way. If it is dropped without a result, another can begin.
#[derive(Debug)]
pub(super) struct Check(Arc<AtomicU8>);

impl Check {
    pub(super) fn end(self, is_same: bool) {
        self.0.store(if is_same { SAME } else { CHANGED }, Ordering::Release);
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        let _ = self.0.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// What may be done with an entry.
#[derive(Debug)]
pub(super) enum Standing {
    /// Serve it.
    Fresh,
    /// Serve it, and check it meanwhile.
    Stale(Check),
    /// Check it first.
    Old,
    /// It is no more what it was.
    Changed,
}

impl Kept {
    pub(super) fn standing(&mut self, now: Moment, fresh: Duration) -> Standing {
        let state = self.check.load(Ordering::Acquire);
        match state {
            SAME => {
                self.seen = self.asked;
                self.check.store(IDLE, Ordering::Relaxed);
            }
            CHANGED => return Standing::Changed,
            _ => {}
        }
        let age = now.since(self.seen);
        if age <= fresh {
            Standing::Fresh
        } else if age > fresh.saturating_mul(2) {
            Standing::Old
        } else if state == RUNNING {
            Standing::Fresh
        } else {
            self.asked = now;
            self.check.store(RUNNING, Ordering::Relaxed);
            Standing::Stale(Check(Arc::clone(&self.check)))
        }
    }

    /// It was found unchanged by a look that began at `asked`.
    pub(super) fn confirm(&mut self, asked: Moment) {
        self.seen = self.seen.max(asked);
    }
}

impl Cache {
    pub(super) fn new(bounds: Bounds) -> Self {
        Cache { kept: HashMap::new(), order: VecDeque::new(), bytes: 0, descriptors: 0, bounds }
    }

    /// The entry for a path.
    #[inline]
    pub(super) fn get(&mut self, path: &str) -> Option<&mut Kept> {
        let kept = self.kept.get_mut(path)?;
        kept.used = true;
        Some(kept)
    }

    /// Keeps an entry that was looked up at `asked`; gives it back if it is too large.
    pub(super) fn insert(
        &mut self,
        path: &str,
        entry: Box<Entry>,
        asked: Moment,
    ) -> Result<(), Box<Entry>> {
        self.remove(path);
        let (bytes, descriptors) = (entry.cost(), entry.descriptors());
        if !self.make_room(bytes, descriptors) {
            return Err(entry);
        }
        let path: Rc<str> = path.into();
        self.bytes += bytes;
        self.descriptors += descriptors;
        self.order.push_back(Rc::clone(&path));
        let check = Arc::default();
        self.kept.insert(path, Kept { entry, used: false, seen: asked, asked, check });
        Ok(())
    }

    /// Changes an entry, which may grow; one that has grown too large goes.
    pub(super) fn update(&mut self, path: &str, change: impl FnOnce(&mut Entry)) {
        let Some(kept) = self.kept.get_mut(path) else { return };
        let before = kept.entry.cost();
        change(&mut kept.entry);
        let after = kept.entry.cost();
        self.bytes = (self.bytes + after).saturating_sub(before);
        kept.used = true;
        self.make_room(0, 0);
    }

    pub(super) fn remove(&mut self, path: &str) {
        if self.forget(path) {
            self.order.retain(|other| &**other != path);
        }
    }

    fn forget(&mut self, path: &str) -> bool {
        let Some(kept) = self.kept.remove(path) else { return false };
        self.bytes = self.bytes.saturating_sub(kept.entry.cost());
        self.descriptors = self.descriptors.saturating_sub(kept.entry.descriptors());
        true
    }

    /// Lets entries go until there is room for one more of this size; false if there never is.
    fn make_room(&mut self, bytes: usize, descriptors: usize) -> bool {
        let Bounds { entries, bytes: most, descriptors: most_descriptors } = self.bounds;
        if bytes > most || descriptors > most_descriptors || entries == 0 {
            return false;
        }
        let adds = usize::from(bytes > 0);
        while self.kept.len() + adds > entries
            || self.bytes + bytes > most
            || self.descriptors + descriptors > most_descriptors
        {
            let Some(path) = self.order.pop_front() else { return false };
            match self.kept.get_mut(&path) {
                Some(kept) if kept.used => {
                    kept.used = false;
                    self.order.push_back(path);
                }
                _ => {
                    self.forget(&path);
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::coding::Coding;
    use crate::web::files::entry::{Body, Variant};
    use std::time::UNIX_EPOCH;

    fn entry(bytes: usize) -> Box<Entry> {
        let body = Body::Memory(vec![0; bytes].into());
        Box::new(Entry {
            content_type: "text/plain".into(),
            modified: UNIX_EPOCH,
            last_modified: String::new(),
            sources: Arc::new([]),
            identity: Variant::new(Coding::Identity, String::new(), bytes as u64, body),
            others: Vec::new(),
            is_compressible: false,
            not_now: Vec::new(),
            is_fleeting: false,
        })
    }

    fn cache(entries: usize, bytes: usize) -> Cache {
        Cache::new(Bounds { entries, bytes, descriptors: 1 })
    }

    const START: Moment = Moment::START;

    #[test]
    fn it_never_holds_more_than_it_may_and_keeps_what_is_asked_for() {
        let cost = entry(1000).cost();
        let mut cache = cache(100, 3 * cost);
        for path in ["a", "b", "c"] {
            cache.insert(path, entry(1000), START).expect("room");
        }
        assert!(cache.get("a").is_some());
        for path in ["d", "e"] {
            cache.insert(path, entry(1000), START).expect("room");
        }
        let there: Vec<_> = ["a", "b", "c", "d", "e"].map(|path| cache.get(path).is_some()).into();
        assert_eq!(there, [true, false, false, true, true]);
        assert_eq!((cache.bytes, cache.order.len()), (3 * cost, 3));
        assert!(cache.insert("f", entry(100_000), START).is_err(), "larger than all of it");
        cache.insert("a", entry(1000), START).expect("replaced");
        assert_eq!((cache.bytes, cache.order.len(), cache.kept.len()), (3 * cost, 3, 3));
        for path in ["a", "d", "e", "x"] {
            cache.remove(path);
        }
        assert_eq!((cache.bytes, cache.order.len(), cache.kept.len()), (0, 0, 0));
    }

    #[test]
    fn an_entry_that_grows_pushes_others_out() {
        let mut cache = cache(2, 2 * entry(1000).cost() + 500);
        cache.insert("a", entry(1000), START).expect("room");
        cache.insert("b", entry(1000), START).expect("room");
        cache.update("b", |kept| kept.identity = entry(2000).identity);
        assert!(cache.get("a").is_none() && cache.get("b").is_some());
        cache.insert("c", entry(0), START).expect("room");
        cache.insert("d", entry(0), START).expect("room");
        assert_eq!(cache.kept.len(), 2, "there may be two at most");
    }

    #[test]
    fn an_entry_is_fresh_then_stale_then_old() {
        let fresh = Duration::from_secs(1);
        let at = |millis| START + Duration::from_millis(millis);
        let mut cache = cache(10, 100_000);
        cache.insert("a", entry(1), START).expect("room");
        let kept = cache.get("a").expect("kept");
        assert!(matches!(kept.standing(at(1000), fresh), Standing::Fresh));
        assert!(matches!(kept.standing(at(2001), fresh), Standing::Old));
        let Standing::Stale(check) = kept.standing(at(1500), fresh) else { panic!("not stale") };
        assert!(matches!(kept.standing(at(1600), fresh), Standing::Fresh), "one check at a time");
        drop(check);
        let Standing::Stale(check) = kept.standing(at(1700), fresh) else { panic!("not stale") };
        check.end(true);
        assert!(matches!(kept.standing(at(2700), fresh), Standing::Fresh), "since the check began");
        let Standing::Stale(check) = kept.standing(at(2701), fresh) else { panic!("not stale") };
        check.end(false);
        assert!(matches!(kept.standing(at(2702), fresh), Standing::Changed));
        cache.insert("a", entry(1), START).expect("room");
        let kept = cache.get("a").expect("kept");
        kept.confirm(at(5000));
        assert!(matches!(kept.standing(at(6000), fresh), Standing::Fresh));
    }
}
