//! What a model runs with: every option that changes what a comparison finds, those that all models
//! share first of all.

use std::collections::BTreeMap;

use super::{Model, Setup, looping, threading};
use crate::cli::units;

/// The options by name.
pub(super) fn of(setup: &Setup) -> BTreeMap<String, String> {
    let limits = &setup.limits;
    let size = |bytes: usize| units::show_size(bytes as u64);
    let mut options = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        options.insert(name.to_owned(), value);
    };
    set("read-buffer", size(limits.read_bytes));
    set("high-water", size(limits.high_water));
    set("low-water", size(limits.low_water));
    set("backlog-cap", size(limits.backlog_cap));
    set("max-connections", limits.connections.to_string());
    set("idle", units::show_time(limits.idle));
    if let Some(post) = setup.posts.first() {
        let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
        set("nodelay", switch(post.how.nodelay));
        set("defer-accept", switch(post.how.peer_speaks_first));
        set("accept-backlog", post.how.backlog.to_string());
    }
    if let Some(cpus) = &setup.cpus {
        set("cpus", cpus.to_string());
    }
    match setup.model {
        Model::Blocking | Model::Go => {}
        Model::Threads => set("stack", size(threading::STACK)),
        Model::Pool(workers) => {
            set("workers", workers.to_string());
            set("queue", threading::QUEUE.to_string());
            set("stack", size(threading::STACK));
        }
        Model::Spin | Model::Level | Model::Loop | Model::Loops(_) => {
            if let Model::Loops(count) = setup.model {
                set("loops", count.unwrap_or_else(looping::cpus).to_string());
                set("reuse-port", "on".into());
            }
            set("reads-per-drive", limits.reads_per_drive.to_string());
            set("accepts-per-turn", limits.accepts_per_turn.to_string());
            set("handshakes-per-turn", limits.handshakes_per_turn.to_string());
        }
    }
    options
}
