//! `readyloop serve`: every row on one loop, until a signal ends it.

use std::io::{self, ErrorKind};
use std::time::Duration;

use clap::{ArgAction, Args};

use super::access::{Access, Requests};
use super::banner::{self, Note};
use super::burn::burn;
use super::cpus::{self, Cpus};
use super::data::{Data, Opened};
use super::failure::{Failure, Kind as Fault};
use super::flight::Flight;
use super::folder::Folder;
use super::knobs::Knobs;
use super::logger::Logger;
use super::model::{self, Model, Post, Setup};
use super::place::Place;
use super::row::Kind;
use super::services::Services;
use super::tls::{self, Secure, Tls};
use super::{signals, units};
use crate::Reactor;
use crate::app::site::Row;
use crate::reactor::world::{Address, Listen};
use crate::web::cors::Cors;

/// How the arguments of a row are explained.
const ADDRESSES: &str = "Rows (ADDR: 8080, :8080, 127.0.0.1:8080, [::1]:8080, localhost:8080, \
    unix:/path, or off; each can be repeated)";

const END: &str = "Log and end";
const COMPARISON: &str = "Comparison";

const EXAMPLES: &str = "\
Addresses:
  8080              port 8080 of this machine alone (127.0.0.1)
  :8080             port 8080 of every interface, IPv4 and IPv6
  127.0.0.1:8080    one address; port 0 lets the system choose, the banner shows its choice
  localhost:8080    every address of a name
  unix:/path        a Unix socket
  off               not at all

Examples:
  readyloop serve                            all rows on this machine alone
  readyloop serve --http 9000 --tcp-sink off
  readyloop serve --only http,tcp-echo
  readyloop serve --only http --http :80 --http unix:/run/readyloop.sock
  readyloop serve --only http,https --root public --max-age 1h
  readyloop serve --idle 15s --max-body 1g --log debug,tcp-sink=off
  readyloop serve --record loop.jsonl        then: readyloop scope loop.jsonl

Signals:
  SIGTERM, SIGINT   end gracefully within --drain; the second one ends at once
  SIGHUP            read certificates again; if they are not good, the old ones stay;
                    open the access log again
  SIGUSR1           write a recording to --record FILE";

/// Serve TCP, UDP, HTTP and HTTPS, all at once, on one thread
#[derive(Debug, Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", super::failure::EXIT_CODES))]
pub(super) struct Serve {
    /// Web server, HTTP/1.1 [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", help_heading = ADDRESSES)]
    http: Vec<Place>,
    /// The same over TLS [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR", help_heading = ADDRESSES)]
    https: Vec<Place>,
    /// Sends back what it gets [default: 127.0.0.1:7007]
    #[arg(long, value_name = "ADDR", help_heading = ADDRESSES)]
    tcp_echo: Vec<Place>,
    /// Logs what it gets, answers nothing [default: 127.0.0.1:8088]
    #[arg(long, value_name = "ADDR", help_heading = ADDRESSES)]
    tcp_sink: Vec<Place>,
    /// Says "Hello World!", a byte at a time [default: 127.0.0.1:8087]
    #[arg(long, value_name = "ADDR", help_heading = ADDRESSES)]
    tcp_greeting: Vec<Place>,
    /// A chat room with heart-beats, shared with the page /chat [default: 127.0.0.1:8086]
    #[arg(long, value_name = "ADDR", help_heading = ADDRESSES)]
    tcp_chat: Vec<Place>,
    /// Sends each datagram back [default: 127.0.0.1:7007]
    #[arg(long, value_name = "ADDR", help_heading = ADDRESSES)]
    udp_echo: Vec<Place>,
    /// Logs each datagram, answers "I am server" [default: 127.0.0.1:8023]
    #[arg(long, value_name = "ADDR", help_heading = ADDRESSES)]
    udp_responder: Vec<Place>,
    /// Serve these rows and no others
    #[arg(long, value_name = "ROW,…", value_delimiter = ',', help_heading = ADDRESSES)]
    only: Vec<Kind>,

    /// Send small writes at once (TCP_NODELAY)
    #[arg(long, value_name = "on|off", default_value = "on", action = ArgAction::Set, value_parser = parse_switch, help_heading = "Sockets")]
    nodelay: bool,
    /// Probe peers that are silent for so long (SO_KEEPALIVE)
    #[arg(long, value_name = "TIME", value_parser = units::parse_time, help_heading = "Sockets")]
    keep_alive: Option<Duration>,
    /// Let several processes share the ports (SO_REUSEPORT)
    #[arg(long, help_heading = "Sockets")]
    reuse_port: bool,
    /// Accept web clients before they have sent anything (no TCP_DEFER_ACCEPT)
    #[arg(long, help_heading = "Sockets")]
    no_defer_accept: bool,

    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    access: Access,
    /// Let pages of this origin, or of any (*), read the answers; can be repeated
    #[arg(long, value_name = "ORIGIN|*", help_heading = "Web")]
    cors: Vec<String>,

    #[command(flatten)]
    tls: Tls,

    /// Serve /plaintext, /bytes/N, /compute/µs, /echo and /ws/echo, and the row tcp-echo, by this I/O
    /// model: blocking, threads, pool[=N], spin, level, loop, loops[=N], go
    #[arg(long, value_name = "NAME[=N]", help_heading = COMPARISON)]
    #[arg(conflicts_with_all = ["root", "access_log", "cors"])]
    model: Option<Model>,
    /// Keep the process to these CPUs: 0 or 0,1 or 2-3
    #[arg(long, value_name = "LIST", help_heading = COMPARISON)]
    cpus: Option<Cpus>,
    /// Say what listens as JSON, answer each line `sample` on stdin, end with stdin
    #[arg(long, hide = true, requires = "model")]
    control: bool,

    /// How long a graceful end may take
    #[arg(long, value_name = "TIME", help_heading = END, default_value = "10s", value_parser = units::parse_time)]
    drain: Duration,
    /// What to log: error, warn, info, debug, trace, or in the form of RUST_LOG:
    /// info,tcp-sink=off [default: $RUST_LOG, else info]
    #[arg(long, value_name = "LEVELS", help_heading = END)]
    log: Option<String>,
    /// Log warnings and errors only, print no banner
    #[arg(short, long, help_heading = END)]
    quiet: bool,
    /// Log more: each connection; twice: everything
    #[arg(short, long, help_heading = END, action = ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,

    #[command(flatten)]
    flight: Flight,

    #[command(flatten)]
    knobs: Knobs,
}

pub(super) fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".into()),
    }
}

impl Serve {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut elsewhere = None;
        if let Some(cpus) = &self.cpus {
            elsewhere = cpus::allowed().and_then(|all| cpus::others(&all, cpus));
            cpus.pin()?;
        }
        if let Some(model) = self.model {
            return self.run_model(model, elsewhere);
        }
        let limits = self.knobs.limits()?;
        let plan = self.plan()?;
        let _logger = Logger::start(&self.levels());
        let secure = self.secure(&plan)?;
        let descriptors = raise_descriptors();
        let connections = limits.connections;
        let mut reactor = Reactor::new(limits)?;
        let recorder = self.flight.start(&mut reactor, descriptors)?;
        let access = self.access.start()?;
        let requests = access.as_ref().map(|(_, requests)| requests.clone());
        let data = self.data(&plan)?;
        let (notes, data) = data.map(|Opened { notes, note }| (notes, note)).unzip();
        let (files, audience) = (self.folder.open()?, self.flight.audience());
        let services = Services::new(notes, files, access, self.cors()?, audience, burn)?;
        let mut rows = Vec::new();
        for (kind, place) in &plan {
            self.bind(&mut reactor, *kind, place, &services, secure.as_ref(), &mut rows)?;
        }
        services.site.describe(&rows)?;
        let reload = reload(secure.as_ref(), requests.clone());
        signals::watch(&mut reactor, self.drain, reload, recorder.on_signal())?;
        if !self.quiet {
            let mut notes = self.notes(secure, descriptors, connections);
            notes.splice(0..0, page_note(&rows, audience.is_some()).into_iter().chain(data));
            notes.extend(recorder.note());
            banner::print(banner::render("one thread, one loop", &rows, &notes).as_bytes());
        }
        let ended = recorder.run(&mut reactor);
        if let Some(requests) = requests {
            requests.finish();
        }
        ended?;
        finish(&mut reactor)
    }

    /// Serves the rows that a model can serve.
    fn run_model(&self, model: Model, elsewhere: Option<Cpus>) -> Result<(), Failure> {
        for &kind in <Kind as clap::ValueEnum>::value_variants() {
            let wanted = self.only.contains(&kind)
                || self.places(kind).iter().any(|place| *place != Place::Off);
            if wanted && !model::serves(kind) {
                let what = format!("{}: not with --model {model}", kind.name());
                return Err(Failure::new(Fault::Usage, what));
            }
        }
        let (plan, left_out): (Vec<_>, Vec<_>) =
            self.plan()?.into_iter().partition(|(kind, _)| model::serves(*kind));
        if plan.is_empty() {
            let what = format!("every row that --model {model} serves is off");
            return Err(Failure::new(Fault::Usage, what));
        }
        let _logger = Logger::start(&self.levels());
        let mut posts = Vec::new();
        for (kind, place) in &plan {
            let addresses = place.addresses().map_err(|error| refused(*kind, place, &error))?;
            let post = |address| Post { kind: *kind, how: self.listen(*kind, address) };
            posts.extend(addresses.into_iter().map(post));
        }
        raise_descriptors();
        model::run(&Setup {
            model,
            limits: self.knobs.limits()?,
            posts,
            left_out: left_out.into_iter().map(|(kind, _)| kind).collect(),
            secure: self.secure(&plan)?,
            burn,
            drain: self.drain,
            cpus: self.cpus.clone(),
            elsewhere,
            control: self.control,
            quiet: self.quiet,
            record: self.flight.file()?.map(|(file, facts)| (file.to_path_buf(), facts)),
        })
    }

    /// Whose pages may read the answers.
    fn cors(&self) -> Result<Option<Cors>, Failure> {
        if self.cors.is_empty() {
            return Ok(None);
        }
        if self.cors.iter().any(|origin| origin == "*") {
            return Ok(Some(Cors::any()));
        }
        Cors::origins(self.cors.iter().cloned()).map(Some).map_err(|origin| {
            let what = format!("--cors {origin} is no origin");
            Failure::new(Fault::Usage, what).advise("an origin: https://a.example, or * for all")
        })
    }

    /// The log's levels: the flag, or the short flags, or the environment, or `info`.
    fn levels(&self) -> String {
        let short = match (self.quiet, self.verbose) {
            (true, _) => Some("warn"),
            (false, 0) => None,
            (false, 1) => Some("debug"),
            (false, _) => Some("trace"),
        };
        self.log
            .clone()
            .or_else(|| short.map(String::from))
            .or_else(|| std::env::var("RUST_LOG").ok().filter(|levels| !levels.is_empty()))
            .unwrap_or_else(|| "info".into())
    }

    fn places(&self, kind: Kind) -> &[Place] {
        match kind {
            Kind::Http => &self.http,
            Kind::Https => &self.https,
            Kind::TcpEcho => &self.tcp_echo,
            Kind::TcpSink => &self.tcp_sink,
            Kind::TcpGreeting => &self.tcp_greeting,
            Kind::TcpChat => &self.tcp_chat,
            Kind::UdpEcho => &self.udp_echo,
            Kind::UdpResponder => &self.udp_responder,
        }
    }

    /// Which rows are served where.
    fn plan(&self) -> Result<Vec<(Kind, Place)>, Failure> {
        let mut plan = Vec::new();
        for &kind in <Kind as clap::ValueEnum>::value_variants() {
            let places = self.places(kind);
            let left_out = !self.only.is_empty() && !self.only.contains(&kind);
            if left_out {
                if places.iter().any(|place| *place != Place::Off) {
                    let name = kind.name();
                    let what = format!("--{name} says where, but --only leaves {name} out");
                    return Err(Failure::new(Fault::Usage, what));
                }
            } else if places.is_empty() {
                plan.push((kind, kind.default_place()));
            } else {
                let wanted = places.iter().filter(|place| **place != Place::Off);
                plan.extend(wanted.map(|place| (kind, place.clone())));
            }
        }
        if plan.is_empty() {
            return Err(Failure::new(Fault::Usage, "every row is off: there is nothing to serve"));
        }
        Ok(plan)
    }

    /// Binds a row at every address of a place.
    fn bind(
        &self,
        reactor: &mut Reactor,
        kind: Kind,
        place: &Place,
        services: &Services,
        secure: Option<&Secure>,
        rows: &mut Vec<Row>,
    ) -> Result<(), Failure> {
        let addresses = place.addresses().map_err(|error| refused(kind, place, &error))?;
        let several = addresses.len() > 1;
        let mut bound = 0;
        let mut last = io::Error::new(ErrorKind::NotFound, "no address has this name");
        for address in addresses {
            let result = kind.serve(reactor, self.listen(kind, address), services, secure);
            let token = match result {
                Ok(token) => token,
                // Of a name's several addresses some may be out of this machine's reach.
                Err(error) if several && error.kind() == ErrorKind::AddrNotAvailable => {
                    last = error;
                    continue;
                }
                Err(error) => return Err(refused(kind, place, &error)),
            };
            bound += 1;
            if let Some(at) = reactor.local_address(token) {
                rows.push(Row {
                    name: kind.name(),
                    what: kind.what(),
                    address: at.to_string(),
                    try_it: kind.try_it(&at, secure),
                });
            }
        }
        if bound == 0 { Err(refused(kind, place, &last)) } else { Ok(()) }
    }

    /// TLS, if a row needs it.
    fn secure(&self, plan: &[(Kind, Place)]) -> Result<Option<Secure>, Failure> {
        if plan.iter().any(|(kind, _)| *kind == Kind::Https) {
            return self.tls.load().map(Some);
        }
        if self.tls.is_given() {
            let what = "there are settings for HTTPS, but the row https is off";
            return Err(Failure::new(Fault::Usage, what));
        }
        Ok(None)
    }

    /// The notes, if a row serves them.
    fn data(&self, plan: &[(Kind, Place)]) -> Result<Option<Opened>, Failure> {
        let is_web = |(kind, _): &(Kind, Place)| matches!(kind, Kind::Http | Kind::Https);
        plan.iter().any(is_web).then(|| self.data.open()).transpose()
    }

    fn listen(&self, kind: Kind, address: Address) -> Listen {
        Listen {
            reuse_port: self.reuse_port,
            nodelay: self.nodelay,
            keep_alive: self.keep_alive,
            peer_speaks_first: kind.peer_speaks_first() && !self.no_defer_accept,
            ..Listen::new(address)
        }
    }

    fn notes(
        &self,
        secure: Option<Secure>,
        descriptors: Option<u64>,
        connections: usize,
    ) -> Vec<Note> {
        let process = std::process::id();
        let files = descriptors.map_or_else(|| "unknown".into(), |count| count.to_string());
        let mut stop = vec![format!(
            "Ctrl-C or kill {process}: ends within {}; twice: at once",
            units::show_time(self.drain)
        )];
        if secure.is_some() {
            stop.push(format!("kill -HUP {process}: reads the certificates again"));
        }
        let limits = vec![format!(
            "at most {connections} connections; the system allows {files} open files"
        )];
        let mut notes: Vec<_> = secure.into_iter().map(|secure| secure.note).collect();
        notes.push(Note { name: "limits", lines: limits });
        notes.push(Note { name: "signals", lines: stop });
        notes
    }
}

/// Where a browser finds the page.
fn page_note(rows: &[Row], has_scope: bool) -> Option<Note> {
    let lines: Vec<_> = rows
        .iter()
        .filter(|row| row.name == Kind::Http.name())
        .filter_map(|row| row.try_it.split(' ').find(|word| word.starts_with("http://")))
        .filter(|url| !url.contains("//localhost/"))
        .map(|url| url.trim_end_matches("plaintext"))
        .flat_map(|url| {
            let scope = has_scope.then(|| format!("{url}_loop shows the loop itself"));
            [Some(format!("{url} shows it all, live")), scope]
        })
        .flatten()
        .collect();
    (!lines.is_empty()).then_some(Note { name: "page", lines })
}

/// What SIGHUP does.
fn reload(secure: Option<&Secure>, requests: Option<Requests>) -> impl FnMut() + 'static {
    let config = secure.map(|secure| secure.config.clone());
    move || {
        if let Some(requests) = &requests {
            requests.reopen();
        }
        match &config {
            Some(config) => tls::reload(config),
            None if requests.is_some() => {}
            None => log::info!(target: "readyloop", "SIGHUP: there is nothing to read again"),
        }
    }
}

/// Why a row cannot be served where it should be, and what to do.
fn refused(kind: Kind, place: &Place, error: &io::Error) -> Failure {
    let name = kind.name();
    if error.kind() == ErrorKind::AddrInUse {
        let port = if matches!(place, Place::Unix(_)) { "path" } else { "port" };
        let mut failure = Failure::new(
            Fault::InUse,
            format!("{name} cannot listen on {place}: another program has this {port}"),
        );
        if let Place::Inet(at) = place {
            let option = if kind.is_udp() { "u" } else { "t" };
            failure =
                failure.advise(format!("who has it:      ss -{option}lnp sport = :{}", at.port()));
        }
        if let Some(beside) = place.beside() {
            failure = failure.advise(format!("move the row:    --{name} {beside}"));
        }
        return failure.advise(format!("leave it out:    --{name} off"));
    }
    let failure = Failure::new(Fault::Address, format!("{name} cannot listen on {place}: {error}"));
    match error.kind() {
        ErrorKind::PermissionDenied => {
            failure.advise("ports below 1024 need privileges; a port above needs none")
        }
        _ => failure,
    }
}

/// Raises the soft limit of open files to the hard one: a connection is a descriptor. Answers the
/// limit that holds now.
pub(super) fn raise_descriptors() -> Option<u64> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => Some(hard),
        Err(error) => {
            log::warn!(target: "readyloop", "the limit of open files stays at {soft}: {error}");
            Some(soft)
        }
    }
}

/// The last words.
fn finish(reactor: &mut Reactor) -> Result<(), Failure> {
    let live = reactor.env().live;
    let counters = reactor.counters();
    log::info!(target: "readyloop", "ended: {} connections, {} replies, {} datagrams served",
        counters.accepted,
        counters.responses.iter().sum::<u64>(),
        counters.datagrams_received
    );
    if live > 0 {
        let what = format!("stopped with {live} connections open");
        return Err(Failure::new(Fault::Stopped, what));
    }
    Ok(())
}
