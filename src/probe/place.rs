//! Where each connection was when it was last asked: what a [`Recorder`](super::Recorder) compares
//! with, to tell changes alone.

use super::Stage;
use crate::token::Token;

/// What was told of one socket last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    generation: u32,
    pub(super) life: Stage,
    pub(super) stage: Stage,
    pub(super) interest: u8,
}

/// Eight bytes for each index of the loop's table.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<Place>);

/// No table is larger; a token beyond it is nobody's.
const MOST: usize = 1 << 24;

impl Places {
    /// The place of a socket; a fresh one if another had its index before.
    #[inline]
    pub(super) fn at(&mut self, token: Token) -> Option<&mut Place> {
        let index = token.index();
        if index >= self.0.len() {
            self.grow(index);
        }
        let place = self.0.get_mut(index)?;
        if place.generation != token.generation() {
            *place = Place { generation: token.generation(), ..Place::default() };
        }
        Some(place)
    }

    #[cold]
    fn grow(&mut self, index: usize) {
        if index < MOST {
            self.0.resize(index + 1, Place::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_forgotten_with_its_generation() {
        let mut places = Places::default();
        if let Some(place) = places.at(Token::new(3, 7)) {
            place.life = Stage::Open;
        }
        assert_eq!(places.at(Token::new(3, 7)).map(|place| place.life), Some(Stage::Open));
        assert_eq!(places.at(Token::new(3, 8)).map(|place| place.life), Some(Stage::Unknown));
        assert!(places.at(Token::new(u32::MAX, 1)).is_none());
        assert!(size_of::<Place>() <= 8);
    }
}
