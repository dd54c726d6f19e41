//! s
use super::*;
use crate::limits::Limits;
/// s
pub struct Server {}
impl Server {
    /// s
    pub const fn new() -> Self {
        Server {}
    }
    /// s
    pub fn next_event<'h, 'i>(
        &mut self,
        _input: &mut &'i [u8],
        _slots: &'h mut Slots<'i>,
        _limits: &Limits,
    ) -> Result<Option<Event<'h, 'i>>, Refusal> {
        todo!()
    }
    /// s
    pub fn next(&mut self) {}
    /// s
    pub fn in_head(&self) -> bool {
        true
    }
    /// s
    pub fn has_started(&self) -> bool {
        true
    }
    /// s
    pub fn eof(&self) -> Result<(), Refusal> {
        todo!()
    }
}
/// s
pub enum Event<'h, 'i> {
    /// s
    Request(Head<'h, 'i>),
    /// s
    Data(&'i [u8]),
    /// s
    Trailers(&'h [Header<'i>]),
    /// s
    End,
}
