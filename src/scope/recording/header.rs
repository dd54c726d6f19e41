//! The first line of a recording.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::read::Wrong;
use crate::limits::Limits;
use crate::session::Env;
use crate::time::Moment;
use crate::web::date;

/// Of what a recording is, and when it began.
#[derive(Clone, Debug)]
pub struct Header {
    /// The version of the program that wrote it.
    pub version: String,
    /// How the loop, or whoever served, waits: `loop`, `level`, `threads`, …
    pub model: String,
    /// The wall clock at the moment 0, to the millisecond.
    pub started: SystemTime,
    /// Facts that were recorded and are no longer there: older ones than the first.
    pub lost: u64,
    /// Descriptors that the process could have; 0 if nobody said.
    pub descriptors: usize,
    /// The limits that the loop kept. Of these, those are in a recording that its facts are judged
    /// by: stall, high_water, low_water, backlog_cap, connections, reads_per_drive,
    /// accepts_per_turn, idle and progress.
    pub limits: Limits,
}

/// Words longer than this are no names of ours.
const LONGEST: usize = 100;

impl Header {
    /// That of a loop, now.
    pub fn of(env: &Env, model: &str) -> Self {
        let age = env.now.since(Moment::START);
        Header {
            descriptors: env.recorder.descriptor_limit(),
            ..Header::new(model, env.wall().checked_sub(age).unwrap_or(UNIX_EPOCH), &env.limits)
        }
    }

    /// That of a server which began at `started`.
    pub fn new(model: &str, started: SystemTime, limits: &Limits) -> Self {
        Header {
            version: env!("CARGO_PKG_VERSION").into(),
            model: model.into(),
            started,
            lost: 0,
            descriptors: 0,
            limits: limits.clone(),
        }
    }

    /// As the first line says it.
    pub(super) fn to_json(&self) -> String {
        let limits = &self.limits;
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let limits = serde_json::json!({
            "stall": nanos(limits.stall),
            "high_water": limits.high_water,
            "low_water": limits.low_water,
            "backlog_cap": limits.backlog_cap,
            "connections": limits.connections,
            "reads_per_drive": limits.reads_per_drive,
            "accepts_per_turn": limits.accepts_per_turn,
            "idle": nanos(limits.idle),
            "progress": nanos(limits.progress),
        });
        // By hand, so that it begins with what says what this is.
        format!(
            "{{\"recording\":1,\"version\":{},\"model\":{},\"started\":\"{}\",\"lost\":{},\"descriptors\":{},\"limits\":{limits}}}",
            Value::from(self.version.as_str()),
            Value::from(self.model.as_str()),
            date::rfc3339(self.started),
            self.lost,
            self.descriptors,
        )
    }

    /// From the first line's object.
    pub(super) fn from_json(object: &Map<String, Value>) -> Result<Self, Wrong> {
        match object.get("recording").map(Value::as_u64) {
            Some(Some(1)) => {}
            Some(Some(version)) => return Err(Wrong::Version(version)),
            _ => return Err(Wrong::NoHeader),
        }
        let word = |name: &'static str| {
            let text = object.get(name).and_then(Value::as_str);
            text.filter(|text| text.len() <= LONGEST).ok_or(Wrong::Field(name))
        };
        let mut limits = Limits::default();
        if let Some(Value::Object(given)) = object.get("limits") {
            restore(&mut limits, given);
        }
        Ok(Header {
            version: word("version")?.into(),
            model: word("model")?.into(),
            started: moment(word("started")?).ok_or(Wrong::Field("started"))?,
            lost: object.get("lost").and_then(Value::as_u64).ok_or(Wrong::Field("lost"))?,
            descriptors: count(object, "descriptors").unwrap_or(0),
            limits,
        })
    }
}

fn moment(text: &str) -> Option<SystemTime> {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, format).ok().map(SystemTime::from)
}

fn count<T: TryFrom<u64>>(object: &Map<String, Value>, name: &str) -> Option<T> {
    T::try_from(object.get(name)?.as_u64()?).ok()
}

/// What a recording says of the limits; what it does not stays as it is by default.
fn restore(limits: &mut Limits, given: &Map<String, Value>) {
    for (name, size) in [
        ("high_water", &mut limits.high_water),
        ("low_water", &mut limits.low_water),
        ("backlog_cap", &mut limits.backlog_cap),
        ("connections", &mut limits.connections),
    ] {
        *size = count(given, name).unwrap_or(*size);
    }
    for (name, budget) in [
        ("reads_per_drive", &mut limits.reads_per_drive),
        ("accepts_per_turn", &mut limits.accepts_per_turn),
    ] {
        *budget = count(given, name).unwrap_or(*budget);
    }
    for (name, time) in [
        ("stall", &mut limits.stall),
        ("idle", &mut limits.idle),
        ("progress", &mut limits.progress),
    ] {
        *time = count(given, name).map_or(*time, Duration::from_nanos);
    }
}
