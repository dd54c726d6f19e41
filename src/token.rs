//! The name of one socket on one loop: a slab index and a generation.
//!
//! The kernel may hand back an event for a socket that was closed a moment ago, whose slab index
//! already belongs to somebody else. The generation tells the two apart, so an old event, a late
//! message or a forgotten timer can never reach a stranger.

use std::fmt;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("readyloop keeps index and generation in one 64-bit event token");

/// One entry of a loop's table: its index and the generation that lived there.
///
/// `Copy`, `Send`, and safe to keep for as long as you like: once its socket is closed a token
/// names nothing, and whatever is sent to it is dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

impl Token {
    /// The token of slot `index` in its `generation`-th life.
    pub const fn new(index: u32, generation: u32) -> Self {
        Token((generation as u64) << 32 | index as u64)
    }

    /// The slab index.
    pub const fn index(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    /// Which life of that slab index.
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Both as one number, the form in which the kernel carries it.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The inverse of [`as_u64`](Self::as_u64).
    pub const fn from_u64(bits: u64) -> Self {
        Token(bits)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.index(), self.generation())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_generation_survive_the_round_trip() {
        for (index, generation) in [(0, 0), (7, 1), (u32::MAX, u32::MAX), (19_999, 1 << 31)] {
            let token = Token::from_u64(Token::new(index, generation).as_u64());
            assert_eq!((token.index(), token.generation()), (index as usize, generation));
        }
    }
}
