//! `readyloop top`: the scope in a terminal, for a server that runs.
//!
//! It reads what the server's `/_loop` tells and asks nothing else of it. [`feed`] reads on a thread
//! of its own, [`screen`] and [`history`] are what is known, [`draw`] is the picture of it,
//! [`terminal`] has the terminal.

mod bars;
mod draw;
mod events;
mod feed;
mod history;
mod link;
mod look;
mod sample;
mod screen;
mod table;
mod target;
mod tell;
mod terminal;
#[cfg(test)]
mod tests;
mod trouble;
mod words;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use self::feed::{Feed, News, Server};
use self::look::Look;
use self::sample::Sample;
use self::screen::Screen;
use self::target::Target;
use self::trouble::Trouble;
use super::failure::Failure;
use super::load::trust;
use super::units;
use crate::connection::tls::TlsPeer;

const KEYS: &str = "\
Keys:
  q quit · p pause · s sort by another column · / filter · Enter follow a connection · ? all of them

Examples:
  readyloop top                                the server at 127.0.0.1:8080
  readyloop top 8081                           another port of this machine
  readyloop top unix:/run/app.sock             a Unix socket
  readyloop top https://127.0.0.1:8443 --insecure
  readyloop top --once                         one look, as text
  readyloop top --json | jq .connections       the same for programs";

/// Watch a running server's loop: turns, stalls, connections
#[derive(Debug, Args)]
#[command(after_long_help = format!("{KEYS}\n\n{}", super::failure::EXIT_CODES))]
pub(super) struct Top {
    /// The server: http or https with a path before /_loop, if any; a port; unix:/path
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080")]
    target: Target,
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = units::parse_time)]
    every: Duration,
    /// Connections to ask for, at most
    #[arg(long, value_name = "N", default_value_t = 200)]
    connections: usize,
    /// Print one look as text and end; so it does where stdout is no terminal
    #[arg(long)]
    once: bool,
    /// Print one look as JSON and end
    #[arg(long)]
    json: bool,
    /// Trust any certificate
    #[arg(long)]
    insecure: bool,
    /// Trust the certificates in this file, and no others
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
}

impl Top {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let server = Server {
            target: self.target.clone(),
            peer: self.peer()?,
            every: self.every.max(Duration::from_millis(50)),
            connections: self.connections,
        };
        let failure = |trouble: Trouble| trouble.failure(&self.target);
        if self.json || self.once || !io::stdout().is_terminal() {
            let text = server.once().map_err(failure)?;
            let sample = Sample::parse(&text).map_err(|why| failure(Trouble::Unclear(why)))?;
            return match self.json {
                true => print(&format!("{}\n", text.trim_end())),
                false => print(&tell::text(sample, &self.target.to_string())),
            };
        }
        let feed = Feed::start(server);
        let mut screen = Screen::default();
        // Whoever named the wrong server learns it without a screen that comes and goes.
        match feed.news.recv() {
            Ok(News::Lost(trouble, _)) => return Err(failure(trouble)),
            Ok(news) => screen.hear(news),
            Err(_) => return Err(failure(Trouble::Ended)),
        }
        let look = Look::of(std::env::var_os("NO_COLOR").as_deref());
        Ok(terminal::show(screen, &feed, &self.target.to_string(), look)?)
    }

    fn peer(&self) -> Result<Option<TlsPeer>, Failure> {
        match &self.target {
            Target::Web(url) => trust::peer(url, self.insecure, self.ca.as_deref()),
            Target::Unix(_) => Ok(None),
        }
    }
}

/// Prints to a pipe that may have been closed, as `head` does.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
