//! The models that can be compared, by name, and what a model cannot do.
//!
//! The plan asks before it runs anything: a run that could only time out costs minutes and says
//! less than a sentence.

use super::load::{Load, Shape, Workload};

/// A model as it takes part: its name on the command line, and what its server said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contestant {
    /// Such as `threads` or `pool=8`.
    pub name: String,
    /// How many connections it can serve at a time, if its threads are fewer than that.
    pub workers: Option<u64>,
}

/// All models by their plain names, in the order in which they are shown, and what they are.
pub const MODELS: [(&str, &str); 8] = [
    ("blocking", "one thread that serves one connection until it ends"),
    ("threads", "a thread for each connection, waiting in read"),
    ("pool", "an acceptor and a fixed number of such threads"),
    ("spin", "one thread that asks every socket again and again"),
    ("level", "one thread, level-triggered readiness"),
    ("loop", "one thread, edge-triggered readiness"),
    ("loops", "several such loops, connections spread by the kernel (SO_REUSEPORT)"),
    ("go", "Go's runtime, a goroutine for each connection"),
];

/// The name without its number: `pool` of `pool=8`.
pub fn plain(name: &str) -> &str {
    name.split('=').next().unwrap_or(name)
}

/// What a model is, in a few words.
pub fn what(name: &str) -> Option<&'static str> {
    MODELS.iter().find(|(known, _)| *known == plain(name)).map(|(_, what)| *what)
}

impl Contestant {
    /// Why there is no sense in running this load, if there is none.
    pub fn refuses(&self, load: &Load, shape: &Shape) -> Option<String> {
        if plain(&self.name) == "go" && load.workload == Workload::WebSocket {
            return Some("Go's standard library speaks no WebSocket".into());
        }
        let open = shape.connections + shape.beside;
        // Connections that end after a request give their place to the next.
        if load.workload.is_fresh() {
            return None;
        }
        if plain(&self.name) == "blocking" && open > 1 {
            return Some(format!(
                "it serves one connection until it ends: {} of {open} would wait for ever",
                open - 1
            ));
        }
        let workers = self.workers.filter(|_| plain(&self.name) == "pool")?;
        (open > workers).then(|| {
            format!(
                "its {workers} threads serve one connection each until it ends: {} of {open} \
                 would wait for ever",
                open - workers
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_wait_for_ever_is_refused() {
        let at = |workload, x| Load { workload, x };
        let refuses = |name: &str, workers, load: Load| {
            Contestant { name: name.into(), workers }.refuses(&load, &load.shape(None))
        };
        for (name, workers, load, says) in [
            ("blocking", None, at(Workload::KeepAlive, 1.0), None),
            ("blocking", None, at(Workload::KeepAlive, 2.0), Some("1 of 2")),
            ("blocking", None, at(Workload::Churn, 64.0), None),
            ("blocking", None, at(Workload::Idle, 100.0), Some("115 of 116")),
            ("pool=8", Some(8), at(Workload::KeepAlive, 8.0), None),
            ("pool=8", Some(8), at(Workload::KeepAlive, 9.0), Some("its 8 threads")),
            ("loop", Some(1), at(Workload::KeepAlive, 9.0), None),
            ("threads", None, at(Workload::Slow, 9.0), None),
            ("go", None, at(Workload::WebSocket, 9.0), Some("no WebSocket")),
        ] {
            let why = refuses(name, workers, load);
            assert_eq!(why.is_some(), says.is_some(), "{name} {load:?}: {why:?}");
            assert!(why.unwrap_or_default().contains(says.unwrap_or_default()));
        }
    }

    #[test]
    fn numbers_are_no_part_of_what_a_model_is() {
        assert_eq!(plain("loops=2"), "loops");
        assert_eq!(what("pool=8"), what("pool"));
        assert!(what("pool").is_some() && what("fork").is_none());
    }
}
