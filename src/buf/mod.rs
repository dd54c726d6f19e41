//! The buffers of a connection: [`Carry`] holds input, [`Out`] collects output during a call, and
//! [`Backlog`] keeps what the socket did not take.
//!
//! An idle connection owns none of them. `Carry` and `Backlog` are one pointer wide when empty and
//! give their memory back the moment the last byte leaves; `Out` belongs to the loop.

mod backlog;
mod carry;
mod out;

pub use backlog::Backlog;
pub use carry::Carry;
pub use out::{FileSpan, Inset, Out, Part};
