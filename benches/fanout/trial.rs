//! What is measured, and how: all servers of a scenario at once on one processor, their crowds on
//! another, in short slices that go forwards and backwards in turn.

use std::io;
use std::time::Duration;

use super::crowd;
use crate::support::process::Process;
use crate::support::stat::{self, Median};

/// Who tells all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// The raw epoll loop.
    Raw,
    /// WebSocket sessions.
    Ours,
    /// The chat room.
    Chat,
}

impl Server {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Server::Raw => "raw",
            Server::Ours => "ours",
            Server::Chat => "chat",
        }
    }
}

/// One comparison.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) members: usize,
    /// Bytes of what is said.
    pub(crate) bytes: usize,
    /// The yardstick first.
    pub(crate) servers: &'static [Server],
    /// What a delivery of ours may cost, as a multiple of the yardstick.
    pub(crate) goal: Option<f64>,
    /// How often something is said while delays are measured.
    pub(crate) pace: Duration,
}

/// What there is to measure; in a hurry, with a smaller room.
pub(crate) fn scenarios(quick: bool) -> Vec<Scenario> {
    let pace = Duration::from_millis(50);
    vec![
        Scenario {
            name: "thousand",
            about: "64 bytes to 1,000",
            members: 1000,
            bytes: 64,
            servers: &[Server::Raw, Server::Ours],
            goal: Some(1.05),
            pace,
        },
        Scenario {
            name: "large",
            about: "4 KiB to 1,000",
            members: 1000,
            bytes: 4000,
            servers: &[Server::Raw, Server::Ours],
            goal: Some(1.05),
            pace,
        },
        Scenario {
            name: "room",
            about: "a chat room of 5,000 (in a hurry: of 500) and one speaker, 64 bytes",
            members: if quick { 500 } else { 5000 },
            bytes: 64,
            servers: &[Server::Raw, Server::Ours, Server::Chat],
            goal: None,
            pace: 4 * pace,
        },
    ]
}

/// How long and where to measure.
pub(crate) struct Effort {
    /// All slices of one server together.
    pub(crate) time: Duration,
    /// Processors of the servers and of the crowds.
    pub(crate) cores: Option<(usize, usize)>,
    pub(crate) quick: bool,
}

/// What came out for one server.
pub(crate) struct Figures {
    pub(crate) server: Server,
    /// Microseconds of processor time for each delivery.
    pub(crate) cost: Median,
    /// Its cost over the yardstick's, slice by slice.
    pub(crate) ratio: Median,
    /// Deliveries in a second, when the next message is said as soon as all have the last.
    pub(crate) rate: f64,
    /// From saying to hearing, at the scenario's pace: half of the deliveries, 99 of 100, all.
    pub(crate) delays: [Duration; 3],
    /// Bytes of the server's memory for each member.
    pub(crate) memory: f64,
    pub(crate) errors: u64,
}

/// What was seen of one server, over all sittings.
struct Tally {
    server: Server,
    costs: Vec<f64>,
    rates: Vec<f64>,
    memory: Vec<f64>,
    delays: [Duration; 3],
    errors: u64,
}

/// A server with its crowd.
struct Hall {
    process: Process,
    crowd: Process,
    /// Bytes of the server's memory for each member.
    memory: f64,
}

impl Hall {
    /// Starts a server, and a crowd that comes in.
    fn open(scenario: &Scenario, server: Server, effort: &Effort) -> io::Result<Hall> {
        let is_chat = server == Server::Chat;
        // The raw loop's frames are as long as those that it is compared with.
        let room = scenario.servers.contains(&Server::Chat);
        let bytes = if room { crowd::json_bytes(scenario.bytes) } else { scenario.bytes };
        let words = vec![server.name().to_string(), bytes.to_string()];
        let process = Process::start(None, effort.cores.map(|cores| cores.0), words)?;
        let port = process.port()?;
        process.settle()?;
        let before = process.memory()?;
        let said = if is_chat { scenario.bytes } else { bytes };
        let chat = if is_chat { "chat" } else { "plain" };
        let words = ["crowd", &port.to_string(), &scenario.members.to_string(), &said.to_string()];
        let words = words.into_iter().chain([chat]).map(str::to_string).collect();
        let mut crowd = Process::start(None, effort.cores.map(|cores| cores.1), words)?;
        crowd.ask::<6>("open", Duration::ZERO)?;
        process.settle()?;
        let memory = process.memory()?.saturating_sub(before) as f64 / scenario.members as f64;
        Ok(Hall { process, crowd, memory })
    }

    /// One slice, at the crowd's full speed.
    fn slice(&mut self, time: Duration, tally: &mut Tally) -> io::Result<()> {
        let before = self.process.cpu()?;
        let command = format!("run {}", time.as_millis());
        let [delivered, errors, nanos, ..] = self.crowd.ask::<6>(&command, time)?;
        let cpu = self.process.cpu()? - before;
        tally.errors += errors;
        tally.costs.push(cpu.as_secs_f64() * 1e6 / delivered.max(1) as f64);
        tally.rates.push(delivered as f64 * 1e9 / nanos.max(1) as f64);
        Ok(())
    }

    /// Delays at a pace.
    fn delays(&mut self, time: Duration, pace: Duration, tally: &mut Tally) -> io::Result<()> {
        let command = format!("pace {} {}", time.as_millis(), pace.as_millis());
        let [_, errors, _, delays @ ..] = self.crowd.ask::<6>(&command, time)?;
        tally.errors += errors;
        tally.delays = delays.map(Duration::from_nanos);
        Ok(())
    }
}

/// Measures one scenario.
pub(crate) fn run(scenario: &Scenario, effort: &Effort) -> io::Result<Vec<Figures>> {
    // Where a process and its sockets come to lie in memory changes its cost by more than what is
    // compared here. So all start anew several times.
    let sittings = if effort.quick { 1 } else { 8 };
    // Some twenty messages, so that the first and the last of a slice weigh little.
    let slice = Duration::from_millis(scenario.members as u64 / 5).max(Duration::from_millis(100));
    let slice = slice.min(effort.time);
    let rounds = (effort.time / sittings).div_duration_f64(slice).round().max(1.0) as usize;
    let mut tallies: Vec<Tally> =
        scenario.servers.iter().map(|&server| Tally::new(server)).collect();
    for sitting in 0..sittings {
        let mut halls = Vec::new();
        for tally in &mut tallies {
            let hall = Hall::open(scenario, tally.server, effort)?;
            tally.memory.push(hall.memory);
            halls.push(hall);
        }
        for (hall, tally) in halls.iter_mut().zip(&mut tallies) {
            // The first slice pays for page faults and growing buffers.
            hall.slice(slice, tally)?;
            tally.costs.pop();
            tally.rates.pop();
        }
        for round in 0..rounds {
            for place in 0..halls.len() {
                let place = if round % 2 == 0 { place } else { halls.len() - 1 - place };
                halls[place].slice(slice, &mut tallies[place])?;
            }
        }
        if sitting + 1 == sittings {
            for (hall, tally) in halls.iter_mut().zip(&mut tallies) {
                hall.delays(effort.time, scenario.pace, tally)?;
            }
        }
    }
    let yardstick = tallies[0].costs.clone();
    Ok(tallies.into_iter().map(|tally| tally.figures(&yardstick)).collect())
}

impl Tally {
    fn new(server: Server) -> Tally {
        let (costs, rates, memory) = Default::default();
        Tally { server, costs, rates, memory, delays: Default::default(), errors: 0 }
    }

    fn figures(self, yardstick: &[f64]) -> Figures {
        let pairs = self.costs.iter().zip(yardstick);
        Figures {
            server: self.server,
            ratio: stat::median(pairs.map(|(cost, yardstick)| cost / yardstick)),
            cost: stat::median(self.costs),
            rate: stat::median(self.rates).value,
            delays: self.delays,
            memory: stat::median(self.memory).value,
            errors: self.errors,
        }
    }
}
