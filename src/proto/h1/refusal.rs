//! s
/// s
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// s
    A,
}
impl Refusal {
    /// s
    pub fn status(self) -> u16 {
        1
    }
    /// s
    pub fn fault(self) -> &'static crate::error::Fault {
        todo!()
    }
}
