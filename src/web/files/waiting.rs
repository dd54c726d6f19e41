//! Who waits for which path to be looked up, so that one look-up serves all.

use std::collections::HashMap;

use crate::token::Token;

/// The paths that are being looked up, each with those who wait for it besides the one who asked
/// first. As many as there are requests in flight, at most.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    paths: HashMap<Box<str>, Vec<(Token, u64)>>,
    count: u64,
}

impl Waiting {
    /// Joins those who wait for `path`; `None` if there are none, and whoever calls is the one to
    /// look it up.
    pub(super) fn join(&mut self, path: &str, token: Token) -> Option<u64> {
        let Some(others) = self.paths.get_mut(path) else {
            self.paths.insert(path.into(), Vec::new());
            return None;
        };
        self.count += 1;
        others.push((token, self.count));
        Some(self.count)
    }

    /// The look-up is over. Answers who waits for it.
    pub(super) fn leave(&mut self, path: &str) -> Vec<(Token, u64)> {
        self.paths.remove(path).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_looks_up_and_the_others_wait() {
        let mut waiting = Waiting::default();
        let token = |index| Token::new(index, 0);
        assert_eq!(waiting.join("/a", token(0)), None);
        assert_eq!(waiting.join("/b", token(1)), None);
        let (two, three) = (waiting.join("/a", token(2)), waiting.join("/a", token(3)));
        assert!(two.is_some() && two != three);
        let told = waiting.leave("/a");
        assert_eq!(told.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [token(2), token(3)]);
        assert_eq!(waiting.leave("/a"), []);
        assert_eq!(waiting.join("/a", token(4)), None);
    }
}
