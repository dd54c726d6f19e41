//! Faults of peers, as they are read: a [`CloseReason`](crate::CloseReason) points to one for ever.
//!
//! Those that are read are kept once, for the life of the process, and only so many: a recording
//! that invents more of them gets one that stands for all others. A program has a few dozen.

use std::sync::{Mutex, PoisonError};

use crate::error::Fault;

/// How many are kept, and how much of each.
const MOST: usize = 256;
const LONGEST: usize = 200;

/// What stands for all that found no room.
static OTHER: Fault = Fault { code: 0, what: "something that found no room here" };

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

/// The one that was kept for this, or is from now on.
pub(super) fn fault(code: u16, what: &str) -> &'static Fault {
    KEPT.fault(code, what)
}

struct Kept(Mutex<Vec<&'static Fault>>);

impl Kept {
    fn fault(&self, code: u16, what: &str) -> &'static Fault {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.iter().find(|fault| fault.code == code && fault.what == what) {
            return known;
        }
        if kept.len() >= MOST || what.len() > LONGEST {
            return &OTHER;
        }
        let fault = Box::leak(Box::new(Fault { code, what: Box::leak(Box::from(what)) }));
        kept.push(fault);
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_kept_once_and_there_is_an_end_to_them() {
        let kept = Kept(Mutex::default());
        assert!(std::ptr::eq(kept.fault(400, "kept once"), kept.fault(400, "kept once")));
        assert_eq!(kept.fault(400, &"x".repeat(LONGEST + 1)), &OTHER);
        for code in 0..1000 {
            kept.fault(code, "one of very many");
        }
        assert_eq!(kept.fault(999, "one of very many"), &OTHER);
        assert!(kept.0.lock().is_ok_and(|kept| kept.len() == MOST));
    }
}
