//! A timeline as Chrome's trace JSON: an older form that many tools read.

use std::fmt::Write as _;
use std::io;

use serde_json::Value;

use super::timeline::{Item, Note, Sort, Step, Timeline, What};

pub(super) fn write(timeline: &Timeline, out: &mut impl io::Write) -> io::Result<()> {
    let mut text = String::from("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    for (number, name) in timeline.processes.iter().enumerate() {
        named(&mut text, "process_name", (number, 0), name);
    }
    for (number, track) in timeline.tracks.iter().enumerate() {
        if !matches!(track.sort, Sort::Counter { .. }) {
            named(&mut text, "thread_name", (track.process, number), &track.name);
        }
    }
    for item in &timeline.items {
        event(&mut text, timeline, item);
        if text.len() > 1 << 16 {
            out.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    // A list has no comma behind its last element: this is one more.
    text.push_str("{\"ph\":\"M\",\"name\":\"end\",\"pid\":1,\"tid\":0}]}\n");
    out.write_all(text.as_bytes())
}

/// What a process or a track is called.
fn named(text: &mut String, what: &str, (process, track): (usize, usize), name: &str) {
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        text,
        "{{\"ph\":\"M\",\"name\":\"{what}\",\"pid\":{},\"tid\":{track},\"args\":{{\"name\":{}}}}},",
        process + 1,
        Value::from(name)
    );
}

fn event(text: &mut String, timeline: &Timeline, item: &Item) {
    let Some(track) = timeline.tracks.get(item.track) else { return };
    // In microseconds.
    let place = format!(
        "\"ts\":{}.{:03},\"pid\":{},\"tid\":{}",
        item.at / 1000,
        item.at % 1000,
        track.process + 1,
        item.track
    );
    match &item.what {
        What::Begin { group, name, flow, note } => {
            let (name, group) = (Value::from(&**name), group.as_str());
            let _ = writeln!(
                text,
                "{{\"ph\":\"B\",\"cat\":\"{group}\",\"name\":{name},{place}{}}},",
                args(*note)
            );
            if let Some(id) = flow {
                arrow(text, "t", *id, &place);
            }
        }
        What::End => {
            let _ = writeln!(text, "{{\"ph\":\"E\",{place}}},");
        }
        What::Instant { name, flow, note } => {
            let name = Value::from(&**name);
            let _ = writeln!(
                text,
                "{{\"ph\":\"i\",\"s\":\"t\",\"name\":{name},{place}{}}},",
                args(*note)
            );
            match flow {
                Some(Step::Begins(id)) => arrow(text, "s", *id, &place),
                Some(Step::Ends(id)) => arrow(text, "f\",\"bp\":\"e", *id, &place),
                None => {}
            }
        }
        What::Value(value) => {
            let name = Value::from(track.name.as_str());
            let _ = writeln!(
                text,
                "{{\"ph\":\"C\",\"name\":{name},{place},\"args\":{{\"value\":{value}}}}},"
            );
        }
    }
}

/// A step of a flow.
fn arrow(text: &mut String, phase: &str, id: u64, place: &str) {
    let _ = writeln!(
        text,
        "{{\"ph\":\"{phase}\",\"cat\":\"flow\",\"name\":\"ready\",\"id\":{id},{place}}},"
    );
}

fn args(note: Note) -> String {
    note.map_or_else(String::new, |(name, value)| format!(",\"args\":{{\"{name}\":{value}}}"))
}
