//! The parts of the `plaintext` bench.
//!
//! The bench starts itself again as its servers and its loads (`role`): `ours` is what is measured,
//! `raw` and `bare` are the yardsticks, `load` with `link` and `answer` asks and checks. The parent
//! holds them (`process`, `child`), measures a `scenario` by alternating slices (`trial`, `calls`,
//! `memory`) and tells (`report`).

pub(crate) mod answer;
pub(crate) mod bare;
pub(crate) mod calls;
pub(crate) mod child;
pub(crate) mod goal;
pub(crate) mod link;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod ours;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod report;
pub(crate) mod role;
pub(crate) mod scenario;
pub(crate) mod secure;
pub(crate) mod server;
pub(crate) mod stat;
pub(crate) mod sys;
pub(crate) mod trial;
