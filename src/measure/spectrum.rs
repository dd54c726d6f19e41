//! A distribution of times as it is kept in files: percentiles to read, and all counts to refute
//! them with.

use serde::{Deserialize, Serialize};

/// A distribution of times in nanoseconds. The default is of nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spectrum {
    /// How many values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The smallest.
    pub min: u64,
    /// Half are at or below it.
    pub p50: u64,
    /// 90 of 100 are at or below it.
    pub p90: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1,000.
    pub p999: u64,
    /// The largest.
    pub max: u64,
    /// The whole histogram: (largest value of a bucket, values in it), empty buckets left out,
    /// three significant digits.
    pub buckets: Vec<(u64, u64)>,
}
