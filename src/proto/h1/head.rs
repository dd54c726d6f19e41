//! s
/// s
pub type Header<'i> = httparse::Header<'i>;
/// s
pub struct Slots<'i>(std::marker::PhantomData<&'i ()>);
impl Slots<'_> {
    /// s
    pub fn new() -> Self {
        todo!()
    }
}
/// s
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// s
    Http10,
    /// s
    Http11,
}
/// s
#[derive(Debug)]
pub struct Head<'h, 'i> {
    /// s
    pub method: &'i str,
    /// s
    pub target: &'i str,
    /// s
    pub version: Version,
    /// s
    pub headers: &'h [Header<'i>],
    /// s
    pub framing: super::Framing,
    /// s
    pub keep_alive: bool,
    /// s
    pub expect_continue: bool,
    /// s
    pub upgrade: bool,
    /// s
    pub host: Option<&'i [u8]>,
}
