//! The flags of the loop's limits: one table makes the flags, their help with the real defaults,
//! and the [`Limits`].

use std::time::Duration;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::failure::{Failure, Kind};
use super::units;
use crate::Limits;

/// One limit as a flag.
struct Knob {
    /// The field's name.
    name: &'static str,
    flag: &'static str,
    help: &'static str,
    field: Field,
    /// Shown by `-h` too, not only by `--help`.
    is_common: bool,
}

/// The field behind a flag, by its type and unit.
#[derive(Clone, Copy)]
enum Field {
    Time(fn(&mut Limits) -> &mut Duration),
    Size(fn(&mut Limits) -> &mut usize),
    LongSize(fn(&mut Limits) -> &mut u64),
    ShortSize(fn(&mut Limits) -> &mut u32),
    Count(fn(&mut Limits) -> &mut usize),
    ShortCount(fn(&mut Limits) -> &mut u32),
}

macro_rules! knobs {
    ($($kind:ident $field:ident $flag:literal $common:literal $help:literal;)*) => {
        const KNOBS: &[Knob] = &[$(Knob {
            name: stringify!($field),
            flag: $flag,
            help: $help,
            field: Field::$kind(|limits| &mut limits.$field),
            is_common: $common,
        },)*];
    };
}

knobs! {
    Count connections "max-connections" true
        "Open connections; accepting pauses at this many";
    Time idle "idle" true
        "How long a connection may be silent: between requests, or at all on raw rows";
    Time handshake "handshake" false
        "For a TLS handshake";
    Time first_byte "first-byte" false
        "From connecting to the first byte of the first request";
    Time head "head" false
        "From the first byte of a request to the end of its head";
    Time progress "progress" false
        "The window in which a body must gain, or a reader must take, --progress-bytes";
    ShortSize progress_bytes "progress-bytes" false
        "Bytes per --progress window; whoever is slower is closed";
    Time reply "reply" false
        "For the server's own answer to a request, when it comes later";
    Time linger "linger" false
        "How long a connection that closes may go on sending";
    Time drain_idle "drain-idle" false
        "While draining: how long an idle connection is still listened to";
    Time stall "stall" false
        "A call that holds the loop for so long is logged and recorded as a stall";
    LongSize body_bytes "max-body" true
        "Bytes of a request body; more is 413";
    Size request_line "max-request-line" false
        "Bytes of a request line; more is 414";
    Size head_bytes "max-head" false
        "Bytes of a request head; more is 431";
    Count headers "max-headers" false
        "Fields of a request head (at most 128); more is 431";
    Size read_bytes "read-buffer" false
        "Bytes read at a time, into the one buffer that the loop has";
    Size high_water "high-water" false
        "Unsent bytes of a connection at which reading from it stops";
    Size low_water "low-water" false
        "Unsent bytes at which it goes on";
    Size backlog_cap "backlog-cap" false
        "Unsent bytes at which a connection is closed";
    Count datagram_queue "datagram-queue" false
        "Datagrams waiting to be sent by a UDP row; more are dropped";
    ShortCount reads_per_drive "reads-per-drive" false
        "Reads of one connection in a row before others have their turn";
    ShortCount accepts_per_turn "accepts-per-turn" false
        "Connections accepted by one listener in a turn of the loop";
    ShortCount handshakes_per_turn "handshakes-per-turn" false
        "TLS handshakes that may compute in a turn";
    ShortCount datagrams_per_turn "datagrams-per-turn" false
        "Datagrams received by one UDP row in a turn";
    Count offload_threads "offload-threads" false
        "Threads for heavy work; they start with the first of it";
}

/// A parsed value.
#[derive(Clone, Copy, Debug)]
enum Value {
    Time(Duration),
    Number(u64),
}

impl Field {
    fn unit(self) -> &'static str {
        match self {
            Field::Time(_) => "TIME",
            Field::Size(_) | Field::LongSize(_) | Field::ShortSize(_) => "BYTES",
            Field::Count(_) | Field::ShortCount(_) => "COUNT",
        }
    }

    fn parser(self) -> fn(&str) -> Result<Value, String> {
        match self {
            Field::Time(_) => |text| units::parse_time(text).map(Value::Time),
            Field::Size(_) | Field::LongSize(_) => {
                |text| units::parse_size(text).map(Value::Number)
            }
            Field::ShortSize(_) => |text| short(units::parse_size(text)?),
            Field::Count(_) => |text| text.parse().map(Value::Number).map_err(count_help),
            Field::ShortCount(_) => |text| short(text.parse().map_err(count_help)?),
        }
    }

    fn show(self, limits: &mut Limits) -> String {
        match self {
            Field::Time(of) => units::show_time(*of(limits)),
            Field::Size(of) => units::show_size(*of(limits) as u64),
            Field::LongSize(of) => units::show_size(*of(limits)),
            Field::ShortSize(of) => units::show_size(u64::from(*of(limits))),
            Field::Count(of) => of(limits).to_string(),
            Field::ShortCount(of) => of(limits).to_string(),
        }
    }

    /// The parser has seen to it that the value fits.
    fn set(self, limits: &mut Limits, value: Value) {
        match (self, value) {
            (Field::Time(of), Value::Time(time)) => *of(limits) = time,
            (Field::Size(of) | Field::Count(of), Value::Number(number)) => {
                *of(limits) = usize::try_from(number).unwrap_or(usize::MAX);
            }
            (Field::LongSize(of), Value::Number(number)) => *of(limits) = number,
            (Field::ShortSize(of) | Field::ShortCount(of), Value::Number(number)) => {
                *of(limits) = u32::try_from(number).unwrap_or(u32::MAX);
            }
            (Field::Time(_), Value::Number(_)) | (_, Value::Time(_)) => {}
        }
    }
}

fn short(number: u64) -> Result<Value, String> {
    match u32::try_from(number) {
        Ok(_) => Ok(Value::Number(number)),
        Err(_) => Err(format!("at most {}", u32::MAX)),
    }
}

fn count_help(_: std::num::ParseIntError) -> String {
    "a whole number is expected".into()
}

/// The limits that were given as flags.
#[derive(Debug, Default)]
pub(super) struct Knobs(Vec<(usize, Value)>);

impl Knobs {
    /// The limits with these flags applied.
    pub(super) fn limits(&self) -> Result<Limits, Failure> {
        let mut limits = Limits::default();
        for (position, value) in &self.0 {
            if let Some(knob) = KNOBS.get(*position) {
                knob.field.set(&mut limits, *value);
            }
        }
        // A library's field names are not what a command's user has typed.
        match limits.check() {
            Ok(()) => Ok(limits),
            Err(what) => Err(Failure::new(Kind::Usage, in_flags(what))),
        }
    }
}

/// Names fields by their flags.
fn in_flags(what: &str) -> String {
    let flag = |word: &str| {
        let bare = word.trim_end_matches([',', ':']);
        let knob = KNOBS.iter().find(|knob| knob.name == bare);
        knob.map_or_else(|| word.into(), |knob| format!("--{}{}", knob.flag, &word[bare.len()..]))
    };
    what.split(' ').map(flag).collect::<Vec<_>>().join(" ")
}

impl FromArgMatches for Knobs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut knobs = Knobs::default();
        knobs.update_from_arg_matches(matches)?;
        Ok(knobs)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for (position, knob) in KNOBS.iter().enumerate() {
            if let Some(value) = matches.get_one::<Value>(knob.flag) {
                self.0.push((position, *value));
            }
        }
        Ok(())
    }
}

impl Args for Knobs {
    fn augment_args(command: Command) -> Command {
        let mut limits = Limits::default();
        KNOBS.iter().fold(command, |command, knob| {
            command.arg(
                Arg::new(knob.flag)
                    .long(knob.flag)
                    .value_name(knob.field.unit())
                    .value_parser(knob.field.parser())
                    .help(format!("{} [default: {}]", knob.help, knob.field.show(&mut limits)))
                    .hide_short_help(!knob.is_common)
                    .help_heading("Limits (TIME: 500ms, 10s, 2m; BYTES: 1000, 64k, 4m)"),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(arguments: &[&str]) -> Result<Limits, String> {
        let command = Knobs::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments).map_err(|error| error.to_string())?;
        let knobs = Knobs::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        knobs.limits().map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn every_flag_takes_its_own_default_and_changes_nothing() {
        let usual = format!("{:?}", Limits::default());
        for knob in KNOBS {
            let value = knob.field.show(&mut Limits::default());
            let limits = limits(&[&format!("--{}", knob.flag), &value]).expect(knob.flag);
            assert_eq!(format!("{limits:?}"), usual, "--{}", knob.flag);
        }
    }

    #[test]
    fn flags_change_their_field() {
        let changed = limits(&["--idle", "5s", "--max-body", "1g", "--max-connections", "7"]);
        let Limits { idle, body_bytes, connections, .. } = changed.expect("good flags");
        assert_eq!((idle, body_bytes, connections), (Duration::from_secs(5), 1 << 30, 7));
    }

    #[test]
    fn what_cannot_work_is_refused_in_the_words_of_the_flags() {
        for (arguments, says) in [
            (&["--low-water", "1m"][..], "--low-water is not below --high-water"),
            (&["--max-headers", "500"], "--max-headers is above 128"),
            (&["--reads-per-drive", "0"], "--reads-per-drive is 0: nothing"),
            (&["--idle", "soon"], "a time is"),
            (&["--progress-bytes", "5g"], "at most"),
        ] {
            let error = limits(arguments).expect_err(says);
            assert!(error.contains(says), "{error}");
        }
    }
}
