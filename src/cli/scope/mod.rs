//! `readyloop scope`: recordings as text, as a summary, as a trace or a picture.

mod filter;
mod summary;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::failure::{Failure, Kind as Fault};
use crate::scope::detect::{Detector, Finding};
use crate::scope::export::{self, Form};
use crate::scope::recording::{ReadError, Reader, Recording, Wrong};
use crate::scope::text::{Clean, Clock, Line};
use filter::Filter;

const EXAMPLES: &str = "\
A recording is made by `readyloop serve --record FILE`. It is JSON Lines: a header, then a fact a
line, oldest first. As text a fact is

  12.345678s #5.7 read 143 of 65536

when it happened since the loop began, whose it is (index and generation of the connection), its
name, and what it says. Facts of the loop itself are nobody's.

Examples:
  readyloop scope loop.jsonl                          all facts, to be searched with grep
  readyloop scope loop.jsonl --token 5.7              the story of one connection
  readyloop scope loop.jsonl --fact stall,budget      who held the loop
  readyloop scope loop.jsonl --from 1.2s --to 1.5s
  readyloop scope loop.jsonl --summary
  readyloop scope loop.jsonl --findings               what is wrong with it
  readyloop scope loop.jsonl --export perfetto -o loop.pftrace    for https://ui.perfetto.dev
  readyloop scope loop.jsonl threads.jsonl --export svg -o both.svg
  curl -s http://127.0.0.1:8080/_loop/recording | readyloop scope -";

/// Read recordings: as text, as a summary, or exported to Perfetto, Chrome and SVG
#[derive(Debug, Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", super::failure::EXIT_CODES))]
pub(super) struct Scope {
    /// Recordings; - is standard input
    #[arg(value_name = "FILE", required = true, num_args = 1..=16)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    filter: Filter,

    /// Say in a few lines what happened: facts by kind, turns, the busiest connections, stalls
    #[arg(long, conflicts_with_all = ["export", "findings"])]
    summary: bool,
    /// Say what is wrong with the loop, as far as its facts show it
    #[arg(long, conflicts_with = "export")]
    findings: bool,
    /// Write a trace or a picture; several recordings stand side by side in it, each from its own
    /// first fact on
    #[arg(long, value_name = "FORM", requires = "output")]
    export: Option<Target>,
    /// Where to export to; - is standard output
    #[arg(short, long, value_name = "FILE", requires = "export")]
    output: Option<PathBuf>,
}

/// What can be exported to.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    /// TrackEvent protobuf, for https://ui.perfetto.dev and its trace processor
    Perfetto,
    /// Chrome's trace JSON, for chrome://tracing and many others
    Chrome,
    /// A picture, for a document
    Svg,
}

impl Target {
    const fn form(self) -> Form {
        match self {
            Target::Perfetto => Form::Perfetto,
            Target::Chrome => Form::Chrome,
            Target::Svg => Form::Svg,
        }
    }
}

impl Scope {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let done = match (self.export, &self.output) {
            (Some(target), Some(output)) => self.export(target.form(), output),
            _ if self.summary => self.summarize(),
            _ if self.findings => self.find(),
            _ => self.print(),
        };
        match done {
            // Whoever has closed the pipe, as `head` does, has seen enough.
            Err(Trouble::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(Trouble::Write(error)) => Err(error.into()),
            Err(Trouble::Told(failure)) => Err(failure),
            Ok(()) => Ok(()),
        }
    }

    /// A line for each fact. Of several recordings each line begins with its file's name.
    fn print(&self) -> Result<(), Trouble> {
        let mut out = BufWriter::new(io::stdout().lock());
        for file in &self.files {
            let prefix =
                if self.files.len() > 1 { format!("{}: ", show(file)) } else { String::new() };
            let mut reader = Reader::new(open(file)?).map_err(|error| damaged(file, &error))?;
            say_lost(file, reader.header().lost);
            while let Some(record) = reader.next_record().map_err(|error| damaged(file, &error))? {
                if self.filter.passes(&record) {
                    let line = Line { record: &record, labels: reader.labels() };
                    writeln!(out, "{prefix}{line}")?;
                }
            }
            say_cut(file, reader.cut());
        }
        Ok(out.flush()?)
    }

    fn summarize(&self) -> Result<(), Trouble> {
        let mut out = BufWriter::new(io::stdout().lock());
        for (name, recording) in self.read()? {
            summary::write(&name, &recording, &mut out)?;
        }
        Ok(out.flush()?)
    }

    /// What the detectors find, a line each. They are shown all facts: of a part they would conclude
    /// what is not so. What is asked for is chosen from what they find.
    fn find(&self) -> Result<(), Trouble> {
        let mut out = BufWriter::new(io::stdout().lock());
        for file in &self.files {
            let mut reader = Reader::new(open(file)?).map_err(|error| damaged(file, &error))?;
            say_lost(file, reader.header().lost);
            let mut detector = Detector::new(&reader.header().limits);
            while let Some(record) = reader.next_record().map_err(|error| damaged(file, &error))? {
                detector.take(&record, reader.labels());
            }
            say_cut(file, reader.cut());
            let findings = detector.findings().iter();
            let wanted = findings.filter(|found| self.filter.wants(found.at, found.token));
            let mut count = 0;
            for Finding { kind, token, at, text, times } in wanted {
                let whose = token.map(|token| format!("{token} ")).unwrap_or_default();
                writeln!(out, "{} {whose}{kind}: {} ({times} times)", Clock(*at), Clean(text))?;
                count += 1;
            }
            out.flush()?;
            tell(&format!("{}: {count} findings", show(file)));
        }
        Ok(())
    }

    fn export(&self, form: Form, output: &Path) -> Result<(), Trouble> {
        let recordings = self.read()?;
        let counts = if is_standard(output) {
            let stdout = io::stdout().lock();
            if form == Form::Perfetto && stdout.is_terminal() {
                let what = "a trace is no text: it would spoil the terminal";
                return Err(Failure::new(Fault::Usage, what).advise("-o FILE, or a pipe").into());
            }
            let mut out = BufWriter::new(stdout);
            let counts = export::write(form, &recordings, &mut out)?;
            out.flush()?;
            counts
        } else {
            let file = File::create(output).map_err(|error| cannot("write", output, &error))?;
            let mut out = BufWriter::new(file);
            let counts = export::write(form, &recordings, &mut out)?;
            out.flush()?;
            counts
        };
        tell(&format!(
            "{} tracks, {} slices, {} instants, {} flows, {} counters with {} values",
            counts.tracks,
            counts.slices,
            counts.instants,
            counts.flows,
            counts.counters,
            counts.values
        ));
        Ok(())
    }

    /// All recordings, with what passes of them.
    fn read(&self) -> Result<Vec<(String, Recording)>, Trouble> {
        let read = |file: &PathBuf| {
            let mut recording =
                Recording::read(open(file)?).map_err(|error| damaged(file, &error))?;
            say_lost(file, recording.header.lost);
            say_cut(file, recording.cut);
            recording.records.retain(|record| self.filter.passes(record));
            Ok((show(file), recording))
        };
        self.files.iter().map(read).collect()
    }
}

/// Why it did not go on.
enum Trouble {
    Write(io::Error),
    Told(Failure),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Write(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble::Told(failure)
    }
}

fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn show(file: &Path) -> String {
    if is_standard(file) { "standard input".into() } else { file.display().to_string() }
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if is_standard(file) {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    match File::open(file) {
        Ok(opened) => Ok(Box::new(BufReader::with_capacity(1 << 16, opened))),
        Err(error) => Err(cannot("read", file, &error)),
    }
}

fn cannot(what: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::new(Fault::Runtime, format!("cannot {what} {}: {error}", show(file)))
}

fn damaged(file: &Path, error: &ReadError) -> Failure {
    let kind = if matches!(error.what, Wrong::Io(_)) { Fault::Runtime } else { Fault::Data };
    Failure::new(kind, format!("{}: {error}", show(file))).advise(error.what.advice())
}

fn say_lost(file: &Path, lost: u64) {
    if lost > 0 {
        tell(&format!("{}: {lost} older facts had been overwritten", show(file)));
    }
}

fn say_cut(file: &Path, cut: Option<u64>) {
    if let Some(line) = cut {
        tell(&format!("{}: line {line} was cut off: whoever wrote it was stopped", show(file)));
    }
}

/// Says something beside the output. Whoever closed stderr does not want to know.
fn tell(what: &str) {
    let _ = writeln!(io::stderr(), "{what}");
}
