//! Which request is next when a load asks for several: a fixed interleaving in given shares.
//!
//! `desk.rs` asks it once a request. No chance is involved, so that two runs ask the same.

/// An interleaving of kinds.
#[derive(Clone, Debug)]
pub(super) struct Mix {
    shares: Vec<f64>,
    /// What each kind is owed.
    owed: Vec<f64>,
}

impl Mix {
    /// Kinds in these shares of one: the first is asked whenever none of the others is due. They
    /// are spread as evenly as whole requests can be.
    pub(super) fn new(others: &[f64]) -> Self {
        let rest = 1.0 - others.iter().sum::<f64>();
        let shares: Vec<f64> = std::iter::once(rest).chain(others.iter().copied()).collect();
        Mix { owed: vec![0.0; shares.len()], shares }
    }

    /// The kind of the next request.
    #[inline]
    pub(super) fn next(&mut self) -> u8 {
        if self.shares.len() == 1 {
            return 0;
        }
        let mut most = 0;
        for (kind, (owed, share)) in self.owed.iter_mut().zip(&self.shares).enumerate() {
            *owed += share;
            if kind > 0 && *owed >= 1.0 - 1e-9 {
                most = kind;
            }
        }
        if let Some(owed) = self.owed.get_mut(most) {
            *owed -= 1.0;
        }
        u8::try_from(most).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(others: &[f64], count: usize) -> Vec<u8> {
        let mut mix = Mix::new(others);
        (0..count).map(|_| mix.next()).collect()
    }

    #[test]
    fn shares_are_kept_and_spread() {
        assert_eq!(kinds(&[], 3), [0, 0, 0]);
        assert_eq!(kinds(&[0.5], 6), [0, 1, 0, 1, 0, 1]);
        let one_in_100 = kinds(&[0.01], 1000);
        let at: Vec<usize> = (0..1000).filter(|&place| one_in_100[place] == 1).collect();
        assert_eq!(at, (0..10).map(|n| n * 100 + 99).collect::<Vec<_>>());
        let three = kinds(&[0.2, 0.3], 1000);
        let count = |kind| three.iter().filter(|&&other| other == kind).count();
        // Two that are due at once follow each other.
        assert_eq!((count(0), count(1), count(2)), (501, 199, 300));
    }
}
