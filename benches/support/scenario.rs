//! What is measured, under which names, against which yardstick.

use std::time::Duration;

use super::load::{Kind, Plan};
use super::role::{Job, Server};

/// One comparison of processor time.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What one unit of the figures is.
    pub(crate) unit: &'static str,
    pub(crate) job: Job,
    pub(crate) plan: Plan,
    /// The yardstick first.
    pub(crate) servers: &'static [Server],
    /// The most that our server may cost, as a multiple of the yardstick.
    pub(crate) goal: Option<f64>,
}

impl Scenario {
    /// How long a slice lasts. The shorter, the better the neighbours agree and the more of them
    /// there are; but every connection must get several turns, or the start is all that is seen.
    pub(crate) fn slice(&self) -> Duration {
        Duration::from_millis(match self.plan.connections {
            0..512 => 50,
            512..2048 => 100,
            _ => 400,
        })
    }

    fn new(
        name: &'static str,
        about: &'static str,
        job: Job,
        kind: Kind,
        connections: usize,
        depth: usize,
    ) -> Scenario {
        let (tls, unit) = match (job, kind) {
            (Job::Tls, Kind::Fresh) => (true, "handshake"),
            (Job::Tls, _) => (true, "request"),
            (Job::Echo, _) => (false, "64 KiB"),
            _ => (false, "request"),
        };
        let servers: &[Server] = match job {
            Job::Tls => &[Server::Mio, Server::Ours],
            Job::Close => &[Server::Raw, Server::Ours, Server::Defer, Server::Mio],
            _ => &[Server::Raw, Server::Ours, Server::Mio],
        };
        let plan = Plan { kind, connections, depth, tls };
        Scenario { name, about, unit, job, plan, servers, goal: None }
    }

    fn at_most(self, ratio: f64) -> Scenario {
        Scenario { goal: Some(ratio), ..self }
    }

    /// The same, as the cost of watching: of our server that records against the one that does not.
    fn watched(self) -> Scenario {
        Scenario { servers: &[Server::Ours, Server::Watched], ..self }.at_most(1.03)
    }

    /// What `server` must not exceed: a yardstick is measured by nothing.
    pub(crate) fn goal_of(&self, server: Server) -> Option<f64> {
        self.goal.filter(|_| self.servers.first() != Some(&server))
    }

    /// Each request must cost our server one read and one write.
    pub(crate) fn counts(&self) -> bool {
        self.job == Job::Http && self.plan.depth == 1
    }
}

/// All comparisons, in the order in which they run.
pub(crate) fn all() -> Vec<Scenario> {
    use Job::{Close, Echo, Http, Tls};
    use Kind::{Fresh, Keep};
    let s = Scenario::new;
    vec![
        s("keep-1", "keep-alive, 1 connection", Http, Keep, 1, 1),
        s("keep-64", "keep-alive, 64 connections", Http, Keep, 64, 1).at_most(1.03),
        s("keep-1024", "keep-alive, 1,024 connections", Http, Keep, 1024, 1),
        s("keep-4096", "keep-alive, 4,096 connections", Http, Keep, 4096, 1).at_most(1.04),
        s("keep-8192", "keep-alive, 8,192 connections", Http, Keep, 8192, 1),
        s("pipelined", "64 connections, 16 requests at once", Http, Keep, 64, 16).at_most(1.12),
        s("fresh", "a connection for each request, 64 at once", Close, Fresh, 64, 1).at_most(0.80),
        s("echo", "bulk echo, 8 connections, 128 KiB under way on each", Echo, Kind::Echo, 8, 1)
            .at_most(1.00),
        s("watched", "the cost of watching, 64 connections", Http, Keep, 64, 1).watched(),
        s("watched-4096", "the cost of watching, 4,096 connections", Http, Keep, 4096, 1).watched(),
        s(
            "watched-16",
            "the cost of watching, 64 connections, 16 requests at once",
            Http,
            Keep,
            64,
            16,
        )
        .watched(),
        s("tls-keep", "TLS 1.3 keep-alive, 64 connections", Tls, Keep, 64, 1).at_most(1.00),
        s("tls-fresh", "full TLS 1.3 handshakes, 64 at once", Tls, Fresh, 64, 1).at_most(1.00),
    ]
}

/// One measurement of memory.
pub(crate) struct Idle {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) job: Job,
    pub(crate) connections: &'static [usize],
    pub(crate) servers: &'static [Server],
    /// The most bytes of a connection of ours that was served once.
    pub(crate) goal: Option<f64>,
}

/// All measurements of memory.
pub(crate) fn idle() -> [Idle; 2] {
    [
        Idle {
            name: "idle",
            about: "memory of idle connections, plain",
            job: Job::Http,
            connections: &[10_000, 15_000],
            servers: &[Server::Raw, Server::Ours, Server::Mio],
            goal: Some(200.0),
        },
        Idle {
            name: "idle-tls",
            about: "memory of idle connections, TLS 1.3",
            job: Job::Tls,
            connections: &[10_000],
            servers: &[Server::Mio, Server::Ours],
            goal: Some(8192.0),
        },
    ]
}
