//! The loads: what each workload asks of a server, and how `readyloop load` is told so.
//!
//! The plan and the command use it. Nothing is started here.

use std::str::FromStr;
use std::time::Duration;

/// A kind of load, with one axis along which it is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Workload {
    /// Connections that stay open, each asking again when it has its answer.
    KeepAlive,
    /// Requests at planned times, whether or not the last one is answered.
    Open,
    /// A connection for each request.
    Churn,
    /// Many connections that ask nothing, and a few that do.
    Idle,
    /// Clients that read and write very slowly, and a few others that do not.
    Slow,
    /// The same as keep-alive over TLS.
    Tls,
    /// TLS handshakes and nothing else.
    Handshakes,
    /// Several requests on their way at a time on each connection.
    Pipeline,
    /// Answers of some size.
    Payload,
    /// Answers that take computing.
    Compute,
    /// One answer of a hundred takes computing.
    Mix,
    /// TCP echo.
    Echo,
    /// WebSocket echo.
    WebSocket,
    /// The server is stopped for a while under planned requests.
    Stall,
    /// More is asked for a while than can be answered.
    Overload,
}

/// How many connections a load opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Those that ask as fast as they may.
    pub connections: u64,
    /// Those that only stay open, or are slow.
    pub beside: u64,
}

/// How long, and what else is the same for every model at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Before the window.
    pub warmup: Duration,
    /// The measured window.
    pub window: Duration,
    /// Connections of those workloads whose axis is another thing, if not as usual.
    pub connections: Option<u64>,
    /// What the reference model answered of plain requests with none planned, a second.
    pub capacity: f64,
}

/// A workload at one place on its axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Which.
    pub workload: Workload,
    /// The place on its axis: connections, requests a second, bytes, µs of computing, ms stopped.
    pub x: f64,
}

/// Connections of workloads with another axis.
const USUAL: u64 = 64;

/// Active connections beside idle or slow ones, and of those among whom some wait for computing.
const FEW: u64 = 16;

/// Connections while the server is stopped: each shows the stop once, however one counts; with many
/// even a load that forgets the intended starts would not overlook it.
const HARDLY_ANY: u64 = 4;

/// Planned requests a second while the server is stopped.
const STALL_RATE: f64 = 2000.0;

/// Computing of each request of an overload, µs: the server's part is to be so much larger than
/// the client's that one client can ask twice of what the server can do.
const OVERLOAD_COMPUTE: f64 = 100.0;

/// More than this is not waited for until all connections have been computed for once.
const COMPUTE_ROUND: Duration = Duration::from_secs(1);

/// Bytes of an echo.
const ECHO: u64 = 64;

impl Workload {
    /// All of them, in the order in which they are run and shown.
    pub const ALL: [Workload; 15] = [
        Workload::KeepAlive,
        Workload::Open,
        Workload::Churn,
        Workload::Idle,
        Workload::Slow,
        Workload::Tls,
        Workload::Handshakes,
        Workload::Pipeline,
        Workload::Payload,
        Workload::Compute,
        Workload::Mix,
        Workload::Echo,
        Workload::WebSocket,
        Workload::Stall,
        Workload::Overload,
    ];

    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Workload::KeepAlive => "keep-alive",
            Workload::Open => "open",
            Workload::Churn => "churn",
            Workload::Idle => "idle",
            Workload::Slow => "slow",
            Workload::Tls => "tls",
            Workload::Handshakes => "handshakes",
            Workload::Pipeline => "pipeline",
            Workload::Payload => "payload",
            Workload::Compute => "compute",
            Workload::Mix => "mix",
            Workload::Echo => "echo",
            Workload::WebSocket => "websocket",
            Workload::Stall => "stall",
            Workload::Overload => "overload",
        }
    }

    /// True if its axis is a number of connections.
    pub fn counts_connections(self) -> bool {
        matches!(
            self,
            Workload::KeepAlive
                | Workload::Churn
                | Workload::Idle
                | Workload::Slow
                | Workload::Tls
                | Workload::Handshakes
                | Workload::Echo
                | Workload::WebSocket
        )
    }

    /// True if connections end after a request.
    pub fn is_fresh(self) -> bool {
        matches!(self, Workload::Churn | Workload::Handshakes)
    }

    /// True if it cannot be planned before the reference model's rate is known.
    pub fn needs_capacity(self) -> bool {
        matches!(self, Workload::Open | Workload::Stall | Workload::Overload)
    }

    /// The row of the server that it asks.
    pub fn row(self) -> &'static str {
        match self {
            Workload::Tls | Workload::Handshakes => "https",
            Workload::Echo => "tcp-echo",
            _ => "http",
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Workload::ALL.into_iter().find(|workload| workload.name() == text).ok_or_else(|| {
            let names: Vec<_> = Workload::ALL.iter().map(|workload| workload.name()).collect();
            format!("workloads are {}", names.join(", "))
        })
    }
}

impl Load {
    /// How many connections it opens; `usual` is of workloads that have another axis.
    pub fn shape(&self, usual: Option<u64>) -> Shape {
        let usual = |count| usual.unwrap_or(count);
        // A cast from a float saturates.
        let x = self.x as u64;
        let (connections, beside) = match self.workload {
            Workload::Idle | Workload::Slow => (usual(FEW), x),
            Workload::Mix => (usual(FEW), 0),
            Workload::Stall => (usual(HARDLY_ANY), 0),
            workload if workload.counts_connections() => (x, 0),
            _ => (usual(USUAL), 0),
        };
        Shape { connections, beside }
    }

    /// The measured window: as the pace has it, or as long as the disturbance needs to be seen
    /// with what is before and after it.
    pub fn window(&self, pace: &Pace) -> Duration {
        match self.workload {
            Workload::Stall => pace.window.max(self.stop() * 3),
            Workload::Overload => self.phase(pace) * 5,
            // Two rounds at least.
            Workload::Compute | Workload::Mix => pace.window.max(self.round(pace) * 2),
            _ => pace.window,
        }
    }

    /// Before the window: as the pace has it, or until what is computed for everybody has been
    /// computed once. Until then those who had luck are served and the others are not.
    pub fn warmup(&self, pace: &Pace) -> Duration {
        match self.workload {
            Workload::Compute | Workload::Mix => pace.warmup.max(self.round(pace)),
            _ => pace.warmup,
        }
    }

    /// How long one CPU computes when all connections ask for it at once.
    fn round(&self, pace: &Pace) -> Duration {
        let connections = self.shape(pace.connections).connections as f64;
        let round = Duration::try_from_secs_f64(connections * self.x / 1e6);
        round.unwrap_or_default().min(COMPUTE_ROUND)
    }

    /// How long the server is stopped.
    pub fn stop(&self) -> Duration {
        match self.workload {
            Workload::Stall => Duration::from_millis(self.x as u64),
            _ => Duration::ZERO,
        }
    }

    /// The part of the window that is disturbed, from its start.
    pub fn disturbed(&self, pace: &Pace) -> Option<(Duration, Duration)> {
        let (third, phase) = (self.window(pace) / 3, self.phase(pace));
        match self.workload {
            Workload::Stall => Some((third, third + self.stop())),
            Workload::Overload => Some((phase, phase * 2)),
            _ => None,
        }
    }

    /// A phase of an overload. The last one is three of them: what has piled up takes two to be done
    /// at half the capacity.
    fn phase(&self, pace: &Pace) -> Duration {
        pace.window.max(Duration::from_millis(300))
    }

    /// The arguments of `readyloop load` for a server whose row is at `address`.
    pub fn arguments(&self, address: &str, pace: &Pace) -> Vec<String> {
        let Shape { connections, beside } = self.shape(pace.connections);
        let mut list = vec![self.url(address), format!("--connections={connections}")];
        let mut add = |flag: String| list.push(flag);
        match self.workload {
            Workload::KeepAlive | Workload::Payload | Workload::Compute => {}
            Workload::Open => add(format!("--rate={}", self.x)),
            Workload::Churn => add("--fresh".into()),
            Workload::Idle => add(format!("--idle={beside}")),
            Workload::Slow => {
                add(format!("--slow-readers={}", beside - beside / 2));
                add(format!("--slow-writers={}", beside / 2));
            }
            Workload::Tls => add("--insecure".into()),
            Workload::Handshakes => {
                ["--insecure", "--fresh", "--handshakes"]
                    .into_iter()
                    .map(String::from)
                    .for_each(add);
            }
            Workload::Pipeline => add(format!("--pipeline={}", self.x)),
            Workload::Mix => add(format!("--also=http://{address}/compute/{}@1", self.x)),
            Workload::Echo | Workload::WebSocket => add(format!("--size={ECHO}")),
            Workload::Stall => add(format!("--rate={}", stall_rate(pace))),
            Workload::Overload => add(self.phases(pace)),
        }
        // Phases have their own times.
        if self.workload != Workload::Overload {
            list.push(format!("--duration={}ms", self.window(pace).as_millis()));
        }
        list.push(format!("--warmup={}ms", self.warmup(pace).as_millis()));
        list
    }

    fn url(&self, address: &str) -> String {
        let path = match self.workload {
            Workload::Payload => format!("bytes/{}", self.x),
            Workload::Compute => format!("compute/{}", self.x),
            Workload::Overload => format!("compute/{OVERLOAD_COMPUTE}"),
            Workload::Echo => return format!("tcp://{address}"),
            Workload::WebSocket => return format!("ws://{address}/ws/echo"),
            _ => "plaintext".into(),
        };
        let scheme = self.workload.row();
        format!("{scheme}://{address}/{path}")
    }

    /// Below, above, and below again, of what the server can do when each request computes.
    fn phases(&self, pace: &Pace) -> String {
        let capacity = 1e6 / (OVERLOAD_COMPUTE + 1e6 / pace.capacity.max(1.0));
        let (below, above) = ((capacity / 2.0).round(), (capacity * self.x).round());
        let time = self.phase(pace).as_millis();
        format!("--rate={below}:{time}ms,{above}:{time}ms,{below}:{}ms", time * 3)
    }
}

/// A rate that the slowest model has no trouble with.
fn stall_rate(pace: &Pace) -> f64 {
    STALL_RATE.min((pace.capacity * 0.3).round()).max(1.0)
}

/// A rate as it is easy to read: two digits that mean something.
pub fn round_rate(rate: f64) -> f64 {
    if rate < 10.0 {
        return rate.round().max(1.0);
    }
    let unit = 10f64.powf(rate.log10().floor() - 1.0);
    (rate / unit).round() * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace {
            warmup: Duration::from_millis(50),
            window: Duration::from_millis(500),
            connections: None,
            capacity: 40_000.0,
        }
    }

    fn arguments(workload: Workload, x: f64) -> String {
        Load { workload, x }.arguments("127.0.0.1:80", &pace()).join(" ")
    }

    #[test]
    fn names_lead_to_workloads_and_back() {
        for workload in Workload::ALL {
            assert_eq!(workload.name().parse(), Ok(workload));
        }
        let error = "fork".parse::<Workload>().unwrap_err();
        assert!(error.contains("keep-alive") && error.contains("overload"), "{error}");
    }

    #[test]
    fn a_load_is_told_what_to_do() {
        const HTTP: &str = "http://127.0.0.1:80";
        const TIME: &str = "--duration=500ms --warmup=50ms";
        for (workload, x, expected) in [
            (Workload::KeepAlive, 7.0, format!("{HTTP}/plaintext --connections=7 {TIME}")),
            (Workload::Open, 9e3, format!("{HTTP}/plaintext --connections=64 --rate=9000 {TIME}")),
            (Workload::Idle, 1e3, format!("{HTTP}/plaintext --connections=16 --idle=1000 {TIME}")),
            (Workload::Payload, 1e6, format!("{HTTP}/bytes/1000000 --connections=64 {TIME}")),
            (
                Workload::Slow,
                5.0,
                format!(
                    "{HTTP}/plaintext --connections=16 --slow-readers=3 --slow-writers=2 {TIME}"
                ),
            ),
            (
                Workload::Mix,
                1e4,
                format!(
                    "{HTTP}/plaintext --connections=16 --also={HTTP}/compute/10000@1 \
                     --duration=500ms --warmup=160ms"
                ),
            ),
        ] {
            assert_eq!(arguments(workload, x), expected);
        }
        assert!(arguments(Workload::Tls, 1.0).starts_with("https://127.0.0.1:80/plaintext"));
        assert!(arguments(Workload::Echo, 1.0).starts_with("tcp://127.0.0.1:80 "));
        assert!(arguments(Workload::WebSocket, 1.0).starts_with("ws://127.0.0.1:80/ws/echo"));
    }

    #[test]
    fn a_disturbance_has_a_before_and_an_after() {
        let stall = Load { workload: Workload::Stall, x: 1000.0 };
        let ms = Duration::from_millis;
        assert_eq!(stall.window(&pace()), ms(3000));
        assert_eq!(stall.disturbed(&pace()), Some((ms(1000), ms(2000))));
        assert!(arguments(Workload::Stall, 1000.0).contains("--rate=2000 --duration=3000ms"));

        let overload = Load { workload: Workload::Overload, x: 2.0 };
        assert_eq!(overload.disturbed(&pace()), Some((ms(500), ms(1000))));
        // 100 µs of computing and 25 µs besides: 8,000 a second.
        assert!(
            arguments(Workload::Overload, 2.0).contains(
                "/compute/100 --connections=64 --rate=4000:500ms,16000:500ms,4000:1500ms"
            )
        );
        assert_eq!(Load { workload: Workload::KeepAlive, x: 1.0 }.disturbed(&pace()), None);
    }

    #[test]
    fn computing_is_seen_for_two_turns_of_all_connections() {
        let window = |x| Load { workload: Workload::Compute, x }.window(&pace()).as_millis();
        assert_eq!([window(0.0), window(1e3), window(1e4), window(1e6)], [500, 500, 1280, 2000]);
        assert_eq!(window(f64::NAN), 500);
    }

    #[test]
    fn connections_of_other_axes_can_be_asked_for() {
        let load = |workload| Load { workload, x: 100.0 };
        let shape = |connections, beside| Shape { connections, beside };
        assert_eq!(load(Workload::Compute).shape(None), shape(64, 0));
        assert_eq!(load(Workload::Compute).shape(Some(1)), shape(1, 0));
        assert_eq!(load(Workload::Slow).shape(Some(1)), shape(1, 100));
        assert_eq!(load(Workload::Tls).shape(Some(1)), shape(100, 0));
    }

    #[test]
    fn rates_are_rounded_to_two_digits() {
        for (rate, rounded) in [(0.2, 1.0), (7.6, 8.0), (123.0, 120.0), (45_678.0, 46_000.0)] {
            assert!((round_rate(rate) - rounded).abs() < 1e-6, "{rate}");
        }
    }
}
