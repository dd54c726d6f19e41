//! `cargo bench --bench tls`: what rustls' crypto providers cost a server.
//!
//! Two ends feed each other in memory; only the server's side is timed, in processor time of the
//! thread. Full TLS 1.3 handshakes (ECDSA P-256 certificate, X25519, no tickets) and bulk in
//! records of 16 KiB. The providers are those of the build's features; with both at once (`--features
//! ring,aws-lc-rs`) slices alternate between them, so that a drifting machine does not matter.

#[cfg(target_os = "linux")]
#[path = "support"]
mod support {
    #[allow(dead_code, reason = "the bench `plaintext` uses the rest")]
    pub(crate) mod secure;
    pub(crate) mod stat;
    #[allow(dead_code, reason = "of the system calls, this bench needs few")]
    pub(crate) mod sys;
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    bench::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("tls: skipped, it measures by Linux's thread clock");
}

#[cfg(target_os = "linux")]
mod bench {
    use std::io::{Read, Write};
    use std::path::PathBuf;
    use std::process::ExitCode;
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::{
        CipherSuite, ClientConfig, ClientConnection, NamedGroup, ServerConfig, ServerConnection,
    };
    use serde_json::json;

    use super::support::secure::{self, Provider};
    use super::support::stat::{Median, median};
    use super::support::sys;

    const SUITES: [(&str, CipherSuite); 3] = [
        ("AES-128-GCM", CipherSuite::TLS13_AES_128_GCM_SHA256),
        ("AES-256-GCM", CipherSuite::TLS13_AES_256_GCM_SHA384),
        ("CHACHA20-POLY1305", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    ];
    const RECORD: usize = 16 * 1024;

    const USAGE: &str = "\
usage: cargo bench --bench tls [--features ring,aws-lc-rs] -- [--quick] [--full] [--out FILE]
";

    type Error = Box<dyn std::error::Error>;

    pub(crate) fn main() -> ExitCode {
        match run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("tls: {error}\n{USAGE}");
                ExitCode::FAILURE
            }
        }
    }

    struct Options {
        slices: usize,
        handshakes: usize,
        records: usize,
        out: PathBuf,
    }

    fn options() -> Result<Options, Error> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let has = |name: &str| words.iter().any(|word| word == name);
        // Cargo says `--bench` when it benches and nothing when it tests all targets.
        let full = !has("--quick") && (has("--bench") || has("--full"));
        let exe = std::env::current_exe()?;
        let mut options = Options {
            slices: if full { 40 } else { 6 },
            handshakes: if full { 100 } else { 10 },
            records: if full { 1000 } else { 50 },
            out: exe.ancestors().nth(3).unwrap_or(&exe).join("bench").join("tls.json"),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" | "--quick" | "--full" => {}
                "--out" => options.out = words.next().ok_or("--out needs a file")?.into(),
                _ => return Err(format!("unknown option {word}").into()),
            }
        }
        Ok(options)
    }

    fn run() -> Result<(), Error> {
        let options = options()?;
        let providers = secure::providers();
        if providers.is_empty() {
            println!("tls: skipped, built without a crypto provider");
            return Ok(());
        }
        // One processor, so that the thread's clock does not see two.
        if let Some(&core) = sys::cores()?.last() {
            sys::pin(core)?;
        }
        let shakes = handshakes(&providers, &options)?;
        println!("full TLS 1.3 handshakes, the server's CPU µs [95 %]");
        for (provider, m) in providers.iter().zip(&shakes) {
            let rate = 1e6 / m.value;
            println!("  {:<12} {:>24} {rate:>9.0}/s", provider.name, interval(*m));
        }
        let mut bulks = Vec::new();
        println!("\nbulk, records of 16 KiB, MB in a second of the server's CPU [95 %]");
        for (name, suite) in SUITES {
            for (provider, (rx, tx)) in providers.iter().zip(bulk(&providers, suite, &options)?) {
                println!(
                    "  {name:<18} {:<12} receive {:>24}   send {:>24}",
                    provider.name,
                    interval(rx),
                    interval(tx)
                );
                bulks.push(json!({
                    "suite": name,
                    "provider": provider.name,
                    "receive_mb_s": figure(rx),
                    "send_mb_s": figure(tx),
                }));
            }
        }
        let shakes: Vec<_> = (providers.iter().zip(shakes))
            .map(|(p, m)| json!({ "provider": p.name, "handshake_cpu_us": figure(m) }))
            .collect();
        let file = json!({ "bench": "tls", "handshakes": shakes, "bulk": bulks });
        if let Some(folder) = options.out.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&options.out, serde_json::to_string_pretty(&file)? + "\n")?;
        println!("\nwritten to {}", options.out.display());
        Ok(())
    }

    fn interval(m: Median) -> String {
        format!("{:.1} [{:.1} – {:.1}]", m.value, m.low, m.high)
    }

    fn figure(m: Median) -> serde_json::Value {
        json!({ "low": m.low, "median": m.value, "high": m.high })
    }

    /// Microseconds of each provider.
    fn handshakes(providers: &[Provider], options: &Options) -> Result<Vec<Median>, Error> {
        let pairs = configs(providers, CipherSuite::TLS13_AES_128_GCM_SHA256)?;
        let mut costs = vec![Vec::new(); pairs.len()];
        for slice in 0..options.slices {
            for index in order(pairs.len(), slice) {
                let (server, client) = &pairs[index];
                let mut used = Duration::ZERO;
                for _ in 0..options.handshakes {
                    used += Pair::shake(server, client)?.1;
                }
                costs[index].push(used.as_secs_f64() * 1e6 / options.handshakes as f64);
            }
        }
        Ok(costs.into_iter().map(median).collect())
    }

    /// Megabytes in a second of each provider: received, sent.
    fn bulk(
        providers: &[Provider],
        suite: CipherSuite,
        options: &Options,
    ) -> Result<Vec<(Median, Median)>, Error> {
        let mut pairs = Vec::new();
        for (server, client) in configs(providers, suite)? {
            pairs.push(Pair::shake(&server, &client)?.0);
        }
        let mut rates = vec![(Vec::new(), Vec::new()); pairs.len()];
        for slice in 0..options.slices {
            for index in order(pairs.len(), slice) {
                let (mut rx, mut tx) = (Duration::ZERO, Duration::ZERO);
                for _ in 0..options.records {
                    rx += pairs[index].receive()?;
                    tx += pairs[index].send()?;
                }
                let megabytes = (options.records * RECORD) as f64 / 1e6;
                rates[index].0.push(megabytes / rx.as_secs_f64());
                rates[index].1.push(megabytes / tx.as_secs_f64());
            }
        }
        Ok(rates.into_iter().map(|(rx, tx)| (median(rx), median(tx))).collect())
    }

    /// Forwards and backwards in turn.
    fn order(count: usize, slice: usize) -> impl Iterator<Item = usize> {
        (0..count).map(move |index| if slice.is_multiple_of(2) { index } else { count - 1 - index })
    }

    type Configs = (Arc<ServerConfig>, Arc<ClientConfig>);

    fn configs(providers: &[Provider], suite: CipherSuite) -> Result<Vec<Configs>, Error> {
        let mut pairs = Vec::new();
        for provider in providers {
            let mut crypto = provider.crypto.clone();
            crypto.cipher_suites.retain(|known| known.suite() == suite);
            crypto.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
            let mut server = secure::server_with(crypto.clone())?;
            server.send_tls13_tickets = 0;
            pairs.push((Arc::new(server), secure::client_with(crypto)?));
        }
        Ok(pairs)
    }

    /// Two ends with memory between them.
    struct Pair {
        server: ServerConnection,
        client: ClientConnection,
        wire: Vec<u8>,
        plain: Vec<u8>,
        data: Vec<u8>,
    }

    impl Pair {
        /// A handshake and the time that the server needed for it.
        fn shake(
            server: &Arc<ServerConfig>,
            client: &Arc<ClientConfig>,
        ) -> Result<(Pair, Duration), Error> {
            let client = ClientConnection::new(Arc::clone(client), "localhost".try_into()?)?;
            let start = sys::thread_time();
            let server = ServerConnection::new(Arc::clone(server))?;
            let mut used = sys::thread_time() - start;
            let (plain, data) = (vec![0; RECORD], vec![7; RECORD]);
            let mut pair = Pair { server, client, wire: Vec::new(), plain, data };
            while pair.client.is_handshaking() || pair.client.wants_write() {
                used += pair.receive_flight()?;
                let start = sys::thread_time();
                pair.wire.clear();
                while pair.server.wants_write() {
                    pair.server.write_tls(&mut pair.wire)?;
                }
                used += sys::thread_time() - start;
                pair.client_receives()?;
            }
            Ok((pair, used))
        }

        /// The server takes what the client has to say.
        fn receive_flight(&mut self) -> Result<Duration, Error> {
            self.wire.clear();
            while self.client.wants_write() {
                self.client.write_tls(&mut self.wire)?;
            }
            let start = sys::thread_time();
            let mut wire = &self.wire[..];
            while !wire.is_empty() {
                self.server.read_tls(&mut wire)?;
                self.server.process_new_packets()?;
                while let Ok(1..) = self.server.reader().read(&mut self.plain) {}
            }
            Ok(sys::thread_time() - start)
        }

        fn client_receives(&mut self) -> Result<(), Error> {
            let mut wire = &self.wire[..];
            while !wire.is_empty() {
                self.client.read_tls(&mut wire)?;
                self.client.process_new_packets()?;
                while let Ok(1..) = self.client.reader().read(&mut self.plain) {}
            }
            Ok(())
        }

        /// One record to the server.
        fn receive(&mut self) -> Result<Duration, Error> {
            self.client.writer().write_all(&self.data)?;
            self.receive_flight()
        }

        /// One record from the server.
        fn send(&mut self) -> Result<Duration, Error> {
            self.wire.clear();
            let start = sys::thread_time();
            self.server.writer().write_all(&self.data)?;
            while self.server.wants_write() {
                self.server.write_tls(&mut self.wire)?;
            }
            let used = sys::thread_time() - start;
            self.client_receives()?;
            Ok(used)
        }
    }
}
