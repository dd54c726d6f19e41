//! The comparison of I/O models: what it runs, what it keeps, how it is drawn and what it says.

pub mod result;
