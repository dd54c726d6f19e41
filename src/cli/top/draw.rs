//! The picture: a [`Screen`] into a terminal's cells, whatever its size.
//!
//! Pure: it decides nothing, and what there is no room for is left out, the least important first.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::bars;
use super::history::History;
use super::look::Look;
use super::sample::{Sample, Spreads, Turn, at_most};
use super::screen::{SORTS, Screen};
use super::table;
use super::tell;
use super::words;

/// Rows of a distribution.
const BARS: usize = 3;
/// A turn that took no longer is the lowest block, in ns.
const SHORT: u64 = 1_000;
/// A wait that took as long is a whole block, in ns.
const LONG_WAIT: u64 = 1_000_000_000;

const HELP: &[&str] = &[
    "q        end                      p        stand still, go on",
    "s S      sort by another column   /        show only what contains a text",
    "↑ ↓ j k  choose a connection      Enter    follow it: its calls",
    "Esc      back                     ?        this",
    "",
    "turns    each column is a turn of the loop: how long it worked (above; full and red",
    "         from the stall threshold on) and how long it had waited (below)",
    "lag      how long somebody would have waited who came at an arbitrary moment",
    "busy     time in this connection's calls; longest: the longest of them",
    "full     it is not read from, because it does not take what it is sent",
];

/// Draws everything. `from` says which loop it is.
pub(super) fn screen(frame: &mut Frame<'_>, screen: &Screen, from: &str, look: Look) {
    let area = frame.area();
    let notes = notes(screen, look);
    let (tall, room) = (area.height >= 18, area.height >= 12);
    let heights = [
        Constraint::Length(2),
        Constraint::Length(if room { 2 } else { 0 }),
        Constraint::Length(if tall { BARS as u16 + 2 } else { 0 }),
        Constraint::Length((notes.len() as u16).min(area.height / 5)),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [head, strip, spreads, told, main, foot] = Layout::vertical(heights).areas(area);
    frame.render_widget(Paragraph::new(heading(screen, from, look)), head);
    frame.render_widget(Paragraph::new(turns(&screen.history, strip.width, look)), strip);
    distributions(frame, spreads, &screen.history, look);
    frame.render_widget(Paragraph::new(notes), told);
    match screen.followed {
        Some(_) => table::one(frame, main, screen, look),
        None => table::all(frame, main, screen, look),
    }
    frame.render_widget(Paragraph::new(footing(screen, look)), foot);
    if screen.shows_help {
        help(frame, area, look);
    }
}

/// Two lines: which loop it is, and how it is.
fn heading<'a>(screen: &Screen, from: &'a str, look: Look) -> Vec<Line<'a>> {
    let History { sample, .. } = &screen.history;
    let mut first = vec![
        Span::styled("readyloop ", look.name()),
        Span::raw(format!("{}  ", words::fit(&sample.version, 20))),
        Span::raw(from),
        Span::raw(format!("  up {}  {} connections  ", words::span(sample.uptime), sample.live)),
    ];
    let state = match (&screen.trouble, screen.is_paused, sample.on || !screen.history.is_known) {
        (Some((why, pause)), ..) => {
            let why = format!("{why}; again in {} ms", pause.as_millis());
            Some((why, look.wrong()))
        }
        (_, true, _) => Some(("standing still: p goes on".to_owned(), look.notable())),
        (_, _, false) => Some(("it does not record".to_owned(), look.notable())),
        _ => None,
    };
    first.extend(state.map(|(text, style)| Span::styled(text, style)));
    vec![Line::from(first), Line::from(figures(&screen.history, look))]
}

fn figures(history: &History, look: Look) -> Vec<Span<'static>> {
    let sample = &history.sample;
    let busy = history.busy().map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0));
    let named = |name: &'static str, value: String, style: Style| {
        [Span::styled(name, look.quiet()), Span::styled(format!("{value}  "), style)]
    };
    let calm = Style::new();
    let stalls = if sample.stalled > 0 { look.wrong() } else { calm };
    let descriptors = &sample.descriptors;
    let is_short = descriptors.limit > 0 && descriptors.used * 10 >= descriptors.limit * 9;
    let mut spans = Vec::new();
    for span in [
        named("requests/s ", words::count(history.request_rate()), calm),
        named("turns/s ", words::count(history.turn_rate), calm),
        named("busy ", busy, calm),
        named("stalls ", sample.stalled.to_string(), stalls),
        named(
            "descriptors ",
            tell::descriptors(descriptors),
            if is_short { look.wrong() } else { calm },
        ),
    ] {
        spans.extend(span);
    }
    if descriptors.paused > 0 {
        spans.push(Span::styled("accepting stands still", look.wrong()));
    }
    spans
}

/// The last turns: how long each worked, and how long it had waited before.
fn turns(history: &History, width: u16, look: Look) -> Vec<Line<'static>> {
    let threshold = history.sample.threshold();
    let shown = usize::from(width.saturating_sub(7));
    let skipped = history.turns.len().saturating_sub(shown);
    let worked = |turn: &Turn| match bars::level(turn.busy, SHORT, threshold, 8) {
        _ if turn.busy >= threshold && !look.colours => Span::raw("!"),
        _ if turn.busy >= threshold => Span::styled("█", look.wrong()),
        level => Span::styled(bars::block(level).to_string(), look.work()),
    };
    let waited = |turn: &Turn| {
        let level = bars::level(turn.waited(), SHORT, LONG_WAIT, 8);
        Span::styled(bars::block(level).to_string(), look.quiet())
    };
    let line = |name: &'static str, cell: &dyn Fn(&Turn) -> Span<'static>| {
        let mut spans = vec![Span::styled(format!("{name:<7}"), look.quiet())];
        spans.extend(history.turns.iter().skip(skipped).map(cell));
        Line::from(spans)
    };
    vec![line("worked", &worked), line("waited", &waited)]
}

/// A distribution's name, which it is, and the columns and the axis that belong to it.
type Distribution = (&'static str, fn(&Spreads) -> &[u64], std::ops::Range<usize>, &'static str);

fn distributions(frame: &mut Frame<'_>, area: Rect, history: &History, look: Look) {
    let all: [Distribution; 3] = [
        ("turn", |spreads| &spreads.busy, bars::TIMES, bars::TIME_AXIS),
        ("lag", |spreads| &spreads.lag, bars::TIMES, bars::TIME_AXIS),
        ("events", |spreads| &spreads.ready, bars::COUNTS, bars::COUNT_AXIS),
    ];
    let [turn, lag, events, rest] = Layout::horizontal([
        Constraint::Length(29),
        Constraint::Length(29),
        Constraint::Length(18),
        Constraint::Min(0),
    ])
    .areas(area);
    for (place, (name, of, range, axis)) in [turn, lag, events].into_iter().zip(all) {
        let spread = history.spread(of);
        let is_time = range == bars::TIMES;
        let bound = |share: f64| match at_most(&spread, share) {
            Some(bound) if is_time => format!("≤{}", words::time(bound)),
            Some(bound) => format!("≤{}", bound.saturating_sub(1)),
            None => "-".to_owned(),
        };
        let title = match is_time {
            true => format!(" p50 {} p99 {}", bound(0.5), bound(0.99)),
            false => format!(" p99 {}", bound(0.99)),
        };
        let mut lines = vec![Line::from(vec![Span::styled(name, look.name()), title.into()])];
        let rows = bars::distribution(&spread, range, BARS);
        lines.extend(rows.into_iter().map(|row| Line::styled(row, look.work())));
        lines.push(Line::styled(axis, look.quiet()));
        frame.render_widget(Paragraph::new(lines), place);
    }
    let width = usize::from(rest.width);
    if width >= 8 {
        let line = bars::sparkline(history.requests.iter().copied(), width);
        let most = history.requests.iter().rev().take(width).max().copied().unwrap_or(0);
        let lines = vec![
            Line::from(vec![
                Span::styled("requests/s", look.name()),
                Span::raw(format!(" ≤{}", words::count(most as f64))),
            ]),
            Line::from(""),
            Line::from(""),
            Line::styled(line, look.work()),
        ];
        frame.render_widget(Paragraph::new(lines), rest);
    }
}

/// What a detector found and what held the loop, the newest first.
fn notes(screen: &Screen, look: Look) -> Vec<Line<'static>> {
    let Sample { findings, stalls, now, .. } = &screen.history.sample;
    let found = findings.iter().rev().map(|finding| {
        let kind = Span::styled(format!("{} ", words::fit(&finding.kind, 24)), look.wrong());
        Line::from(vec![kind, Span::raw(words::fit(&finding.text, 400))])
    });
    let held = stalls.iter().rev().map(|stall| {
        let kind = Span::styled("stall ", look.wrong());
        Line::from(vec![kind, Span::raw(tell::stall(stall, *now))])
    });
    found.chain(held).take(8).collect()
}

fn footing<'a>(screen: &'a Screen, look: Look) -> Line<'a> {
    if screen.is_typing {
        return Line::from(vec![
            Span::styled("show only: ", look.name()),
            Span::raw(screen.filter.as_str()),
            Span::styled("▏", look.notable()),
            Span::styled("  Enter: done  Esc: all", look.quiet()),
        ]);
    }
    let sort = SORTS.get(screen.sort).copied().unwrap_or_default();
    let mut text = format!("q end  p pause  s sort by {sort}  / filter  Enter follow  ? help");
    if !screen.filter.is_empty() {
        text = format!("only {:?}: Esc for all  {text}", screen.filter);
    }
    Line::styled(text, look.quiet())
}

fn help(frame: &mut Frame<'_>, area: Rect, look: Look) {
    let wide = HELP.iter().map(|line| line.chars().count()).max().unwrap_or(0) as u16 + 4;
    let (width, height) = (wide.min(area.width), (HELP.len() as u16 + 2).min(area.height));
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let block = ratatui::widgets::Block::bordered().title(" keys ").border_style(look.quiet());
    let lines: Vec<Line<'_>> = HELP.iter().map(|line| Line::from(*line)).collect();
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}
