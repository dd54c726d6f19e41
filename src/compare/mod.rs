//! The comparison of I/O models: what it runs, what it keeps, how it is drawn and what it says.
//!
//! Pure: `cli/compare` starts processes and reads clocks, here is only what follows from figures.

pub mod load;
pub mod machine;
pub mod model;
pub mod plan;
pub mod recovery;
pub mod result;
