"""Traces as Perfetto's own code reads them, against the recordings that they were made from.

    tracks.py FOLDER    with loop.jsonl, threads.jsonl, and *.pftrace and *.counts of each and both
"""

import collections
import json
import pathlib
import re
import subprocess
import sys

from google.protobuf import unknown_fields
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as schema

from checks import check, equal

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
folder = pathlib.Path(sys.argv[1])


def facts(name):
    lines = (folder / f"{name}.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["recording"] == 1
    return [json.loads(line) for line in lines[1:]]


def trace(name):
    parsed = schema.Trace()
    parsed.ParseFromString((folder / f"{name}.pftrace").read_bytes())
    return parsed


def events(parsed, kind):
    return [packet.track_event for packet in parsed.packet if packet.track_event.type == kind]


def tracks(parsed):
    return {p.track_descriptor.uuid: p.track_descriptor for p in parsed.packet if p.HasField("track_descriptor")}


def expected(records):
    """What the facts come to, worked out from the recording alone."""
    kinds = collections.Counter(record["fact"] for record in records)
    flows, course, ended, tokens, opened, most = 0, {}, 0, set(), 0, 0
    for record in records:
        kind, token = record["fact"], record.get("token")
        tokens.update({token, record["from"]} if kind == "accepted" else {token})
        if kind in ("accepted", "dialled", "adopted"):
            opened += 1
        elif kind == "closed":
            opened -= 1
        most = max(most, opened)
        if kind == "event" or kind == "read" and course.get(token) in (None, "called"):
            flows += 1
            course[token] = "begun"
        elif kind == "called" and course.get(token) == "begun":
            course[token] = "called"
        elif kind == "wrote" and course.get(token) == "called":
            ended += 1
            del course[token]
        elif kind == "closed":
            course.pop(token, None)
    tokens.discard(None)
    return kinds, flows, ended, len(tokens), most


def counted(parsed):
    """The same from the trace."""
    slices = events(parsed, BEGIN)
    groups = collections.Counter(slice.categories[0] for slice in slices)
    instants = events(parsed, INSTANT)
    names = collections.Counter(re.sub(r" .*|:.*", "", instant.name) for instant in instants)
    begun = {flow for instant in instants for flow in instant.flow_ids}
    carried = {flow for slice in slices for flow in slice.flow_ids}
    ended = {flow for instant in instants for flow in instant.terminating_flow_ids}
    return groups, names, begun, carried, ended


def nothing_unknown(parsed):
    for packet in parsed.packet:
        for part in (packet, packet.track_event, packet.track_descriptor):
            assert not len(unknown_fields.UnknownFieldSet(part)), part
        for note in packet.track_event.debug_annotations:
            assert note.name and not len(unknown_fields.UnknownFieldSet(note)), note


def in_order(parsed):
    times = [packet.timestamp for packet in parsed.packet if packet.HasField("track_event")]
    equal(times, sorted(times))
    known, depth = tracks(parsed), collections.Counter()
    for packet in parsed.packet:
        event = packet.track_event
        if event.type in (BEGIN, END):
            assert event.track_uuid in known, event
            depth[event.track_uuid] += 1 if event.type == BEGIN else -1
            assert 0 <= depth[event.track_uuid] <= 3, event
    equal(sum(depth.values()), 0)


def as_recorded(name, parsed):
    kinds, flows, ended, tokens, most = expected(facts(name))
    groups, names, begun, carried, over = counted(parsed)
    assert kinds["called"] > 100 and kinds["wrote"] > 100, kinds
    equal(groups["call"], kinds["called"])
    equal(groups["turn"], 2 * kinds["polled"])
    for instant in ("read", "wrote", "accepted", "closed", "blocked", "budget"):
        equal(names[instant], kinds[instant])
    equal(names["ready"], kinds["event"])
    equal(len(begun), flows)
    equal(len(over), ended)
    assert ended > 100 and over <= carried <= begun
    known = tracks(parsed).values()
    lines = [track for track in known if not track.HasField("counter") and not track.HasField("process")]
    equal(len(lines), 1 + tokens)
    counters = {track.uuid: track.name for track in known if track.HasField("counter")}
    equal(len(counters), 3)
    values = collections.defaultdict(list)
    for event in events(parsed, COUNTER):
        values[counters[event.track_uuid]].append(event.counter_value)
    equal(max(values["open connections"]), most)
    equal(len(values["ready events of a turn"]), kinds["polled"])
    buffered = kinds["buffer"] + kinds["high-water"] > 0
    equal(max(values["unsent bytes"], default=0) > 0, buffered)


def as_told(name, parsed):
    """What the command says of its export is so."""
    said = (folder / f"{name}.counts").read_text().splitlines()[-1]
    told = [int(number) for number in re.findall(r"\d+", said)]
    known = tracks(parsed).values()
    counters = sum(track.HasField("counter") for track in known)
    others = sum(not track.HasField("counter") and not track.HasField("process") for track in known)
    kinds = [len(events(parsed, kind)) for kind in (BEGIN, INSTANT, COUNTER)]
    begun = len(counted(parsed)[2])
    equal(told, [others, kinds[0], kinds[1], begun, counters, kinds[2]])


def side_by_side(parsed):
    known = tracks(parsed)
    processes = {track.uuid: track.process.process_name for track in known.values() if track.HasField("process")}
    equal(len(processes), 2)
    begins = {}
    for packet in parsed.packet:
        if packet.HasField("track_event"):
            process = known[packet.track_event.track_uuid].parent_uuid
            begins.setdefault(process, packet.timestamp)
    assert set(begins) == set(processes) and max(begins.values()) < 1_000_000_000, begins


def processed(name, parsed):
    """The trace processor's tables hold the same, if it can be had."""
    from perfetto.trace_processor import TraceProcessor

    with TraceProcessor(trace=str(folder / f"{name}.pftrace")) as processor:

        def value(query):
            return next(iter(processor.query(query))).value

        equal(value("select count(*) as value from slice"), len(events(parsed, BEGIN)) + len(events(parsed, INSTANT)))
        equal(value("select count(*) as value from counter"), len(events(parsed, COUNTER)))
        equal(value("select count(*) > 100 as value from flow"), 1)


def has_processor():
    """Its program is downloaded when it is first used, which not every place allows."""
    use = "import sys; from perfetto.trace_processor import TraceProcessor as T; T(trace=sys.argv[1]).close()"
    tried = subprocess.run([sys.executable, "-c", use, folder / "loop.pftrace"], capture_output=True)
    return tried.returncode == 0


for name in ("loop", "threads", "both"):
    parsed = trace(name)
    check(f"{name}: every field is in the schema", lambda: nothing_unknown(parsed))
    check(f"{name}: times ascend, slices lie within each other", lambda: in_order(parsed))
    check(f"{name}: what the command counts is there", lambda: as_told(name, parsed))
    if name != "both":
        check(f"{name}: tracks, slices, flows and counters are the recording's", lambda: as_recorded(name, parsed))
check("both: each is a process that begins at its own first fact", lambda: side_by_side(trace("both")))
if has_processor():
    (folder / "processor").touch()
    for name in ("loop", "threads", "both"):
        check(f"{name}: the trace processor holds the same", lambda: processed(name, trace(name)))
