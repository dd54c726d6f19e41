//! The table of everything registered: the one place where a [`Token`] becomes an entry.

use slab::Slab;

use crate::reactor::external::ExternalEntry;
use crate::reactor::listener::ListenerEntry;
use crate::reactor::stream::StreamEntry;
use crate::reactor::udp::DatagramEntry;
use crate::reactor::world::World;
use crate::token::Token;

/// What a token can name. Streams are many and live in the slab itself.
pub(crate) enum Entry<W: World> {
    Stream(StreamEntry<W::Stream>),
    Listener(Box<ListenerEntry<W>>),
    Datagram(Box<DatagramEntry<W>>),
    External(Box<ExternalEntry<W>>),
}

impl<W: World> Entry<W> {
    #[inline]
    fn generation(&self) -> u32 {
        match self {
            Entry::Stream(entry) => entry.generation,
            Entry::Listener(entry) => entry.generation,
            Entry::Datagram(entry) => entry.generation,
            Entry::External(entry) => entry.generation,
        }
    }
}

pub(crate) struct Table<W: World> {
    slab: Slab<Entry<W>>,
    generations: u32,
}

impl<W: World> Table<W> {
    pub(crate) fn new() -> Self {
        Table { slab: Slab::new(), generations: 0 }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// The token that the next insertion will have.
    pub(crate) fn next_token(&mut self) -> Token {
        self.generations = self.generations.wrapping_add(1);
        Token::new(self.slab.vacant_key() as u32, self.generations)
    }

    /// Puts in the entry that was made for the token of [`next_token`](Self::next_token).
    pub(crate) fn insert(&mut self, token: Token, entry: Entry<W>) {
        let index = self.slab.insert(entry);
        debug_assert_eq!(index, token.index());
    }

    /// The entry of `token`, unless it is gone.
    #[inline]
    pub(crate) fn get(&mut self, token: Token) -> Option<&mut Entry<W>> {
        self.slab.get_mut(token.index()).filter(|entry| entry.generation() == token.generation())
    }

    /// Whoever lives at the index of `token` now: what looking up without a generation would find.
    #[cfg(debug_assertions)]
    pub(crate) fn get_any(&mut self, token: Token) -> Option<(Token, &mut Entry<W>)> {
        let entry = self.slab.get_mut(token.index())?;
        Some((Token::new(token.index() as u32, entry.generation()), entry))
    }

    /// Takes the entry of `token` out.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Entry<W>> {
        self.get(token)?;
        self.slab.try_remove(token.index())
    }

    /// The tokens of all entries, for the rare walks over everything.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let token =
            |(index, entry): (usize, &Entry<W>)| Token::new(index as u32, entry.generation());
        self.slab.iter().map(token).collect()
    }
}
