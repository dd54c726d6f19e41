//! A timeline as Perfetto's trace: <https://ui.perfetto.dev> opens it.

use std::io;

use prost::Message;

use super::message::{
    COUNT, COUNTER, CounterDescriptor, DebugAnnotation, EXPLICIT, INSTANT, ProcessDescriptor,
    SIZE_BYTES, SLICE_BEGIN, SLICE_END, Trace, TracePacket, TrackDescriptor, TrackEvent,
};
use super::timeline::{Item, Note, Sort, Step, Timeline, Track, What};

/// Everything is one sequence of packets.
const SEQUENCE: u32 = 1;

/// Of the first packet's flags: nothing before it counts.
const STATE_CLEARED: u32 = 1;

/// Packets that are put together before they are written.
const BATCH: usize = 256;

pub(super) fn write(timeline: &Timeline, out: &mut impl io::Write) -> io::Result<()> {
    let mut batch = Trace::default();
    let processes =
        timeline.processes.iter().enumerate().map(|(number, name)| process(number, name));
    let tracks = timeline.tracks.iter().enumerate().map(|(number, each)| track(number, each));
    let descriptors = processes.chain(tracks).enumerate().map(|(number, descriptor)| TracePacket {
        sequence_flags: (number == 0).then_some(STATE_CLEARED),
        track_descriptor: Some(descriptor),
        ..packet()
    });
    for packet in descriptors.chain(timeline.items.iter().map(event)) {
        batch.packet.push(packet);
        if batch.packet.len() == BATCH {
            flush(&mut batch, out)?;
        }
    }
    flush(&mut batch, out)
}

/// Traces that follow each other are one.
fn flush(batch: &mut Trace, out: &mut impl io::Write) -> io::Result<()> {
    out.write_all(&batch.encode_to_vec())?;
    batch.packet.clear();
    Ok(())
}

fn packet() -> TracePacket {
    TracePacket { trusted_packet_sequence_id: Some(SEQUENCE), ..TracePacket::default() }
}

/// Names of processes and tracks in the trace; zero would be the default track.
fn process_id(number: usize) -> u64 {
    1 << 40 | number as u64
}

fn track_id(number: usize) -> u64 {
    1 << 41 | number as u64
}

fn process(number: usize, name: &str) -> TrackDescriptor {
    TrackDescriptor {
        uuid: Some(process_id(number)),
        process: Some(ProcessDescriptor {
            pid: i32::try_from(number + 1).ok(),
            process_name: Some(name.into()),
        }),
        child_ordering: Some(EXPLICIT),
        ..TrackDescriptor::default()
    }
}

fn track(number: usize, track: &Track) -> TrackDescriptor {
    let counter = match track.sort {
        Sort::Counter { bytes } => {
            let unit = if bytes { SIZE_BYTES } else { COUNT };
            Some(CounterDescriptor { unit: Some(unit) })
        }
        Sort::Loop | Sort::Connection | Sort::Others => None,
    };
    TrackDescriptor {
        uuid: Some(track_id(number)),
        name: Some(track.name.clone()),
        parent_uuid: Some(process_id(track.process)),
        counter,
        sibling_order_rank: i32::try_from(number).ok(),
        ..TrackDescriptor::default()
    }
}

fn event(item: &Item) -> TracePacket {
    let mut event = TrackEvent { track_uuid: Some(track_id(item.track)), ..TrackEvent::default() };
    match &item.what {
        What::Begin { group, name, flow, note } => {
            event.kind = Some(SLICE_BEGIN);
            event.categories.push(group.as_str().into());
            event.name = Some(name.to_string());
            event.flow_ids.extend(flow);
            event.debug_annotations.extend(annotation(*note));
        }
        What::End => event.kind = Some(SLICE_END),
        What::Instant { name, flow, note } => {
            event.kind = Some(INSTANT);
            event.name = Some(name.to_string());
            match flow {
                Some(Step::Begins(id)) => event.flow_ids.push(*id),
                Some(Step::Ends(id)) => event.terminating_flow_ids.push(*id),
                None => {}
            }
            event.debug_annotations.extend(annotation(*note));
        }
        What::Value(value) => {
            event.kind = Some(COUNTER);
            event.counter_value = Some(i64::try_from(*value).unwrap_or(i64::MAX));
        }
    }
    TracePacket { timestamp: Some(item.at), track_event: Some(event), ..packet() }
}

fn annotation(note: Note) -> Option<DebugAnnotation> {
    note.map(|(name, value)| DebugAnnotation { uint_value: Some(value), name: Some(name.into()) })
}
