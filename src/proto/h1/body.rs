//! s
/// s
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// s
    None,
    /// s
    Length(u64),
    /// s
    Chunked,
}
