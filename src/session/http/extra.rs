//! Fields that are added to an answer from outside of what gives it: [`Extra`].
//!
//! Collected by [`Reply`](super::Reply), kept through an exchange, written wherever a head is.

use crate::proto::h1::encode;

/// Field lines that go into an answer's head, whoever writes it. Mostly there are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra(Vec<u8>);

impl Extra {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field. One that would break the framing is our own mistake: it is logged and left out.
    pub(super) fn add(&mut self, name: &str, value: &[u8]) {
        if let Err(invalid) = encode::check(name, value) {
            log::error!("field not sent: {invalid}");
            return;
        }
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.0.extend_from_slice(part);
        }
    }

    /// Puts the fields into the head that `out` ends with.
    #[inline]
    pub(super) fn end_head(&self, out: &mut Vec<u8>) {
        if !self.0.is_empty() {
            out.truncate(out.len().saturating_sub(2));
            out.extend_from_slice(&self.0);
            out.extend_from_slice(b"\r\n");
        }
    }
}
