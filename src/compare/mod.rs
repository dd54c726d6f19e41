//! The comparison of I/O models: what it runs, what it keeps, how it is drawn and what it says.

mod axis;
mod charts;
pub mod diff;
mod figure;
mod look;
mod markup;
mod plot;
mod quantity;
mod rank;
pub mod report;
pub mod result;
pub mod statistics;
pub mod table;
pub mod verdict;
mod workload;

#[cfg(test)]
mod tests;
