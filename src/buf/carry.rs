//! Input that a session has not taken yet: [`Carry`].

/// Bytes read from the wire that the session has not taken yet: half a request head, or what a
/// pipelining peer sent ahead.
#[derive(Debug, Default)]
pub struct Carry(Option<Box<Held>>);

/// Boxed so that an idle connection pays one pointer, not a vector's three words.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
}

impl Carry {
    /// Bytes carried.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |held| held.bytes.len())
    }

    /// True if nothing is carried.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Appends `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().bytes.extend_from_slice(bytes);
        }
    }

    /// Takes all of it, to be offered to the session; what it leaves goes back by [`keep`](Self::keep).
    pub fn take(&mut self) -> Vec<u8> {
        self.0.take().map_or_else(Vec::new, |held| held.bytes)
    }

    /// Puts back the end of `bytes` from `from` on, in front of whatever came meanwhile (nothing,
    /// as sessions do not re-enter).
    pub fn keep(&mut self, mut bytes: Vec<u8>, from: usize) {
        debug_assert!(self.0.is_none());
        if from < bytes.len() {
            bytes.drain(..from);
            self.0 = Some(Box::new(Held { bytes }));
        }
    }

    /// Forgets it.
    pub fn clear(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_first_and_an_empty_carry_owns_nothing() {
        assert_eq!(size_of::<Carry>(), size_of::<usize>());
        let mut carry = Carry::default();
        carry.push(b"abc");
        carry.push(b"def");
        let bytes = carry.take();
        carry.keep(bytes, 2);
        let bytes = carry.take();
        assert_eq!(bytes, b"cdef");
        carry.keep(bytes, 4);
        assert!(carry.is_empty());
    }
}
