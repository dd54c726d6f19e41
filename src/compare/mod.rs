//! The comparison of I/O models: what it runs, what it keeps, how it is drawn and what it says.
//!
//! Pure: `cli/compare` starts processes and reads clocks, here is only what follows from figures.

mod axis;
mod charts;
pub mod diff;
mod figure;
pub mod load;
mod look;
pub mod machine;
mod markup;
pub mod model;
pub mod plan;
mod plot;
mod quantity;
mod rank;
pub mod recovery;
pub mod report;
pub mod result;
pub mod statistics;
pub mod table;
pub mod verdict;
mod workload;

#[cfg(test)]
mod tests;
