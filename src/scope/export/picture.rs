//! A timeline as a picture, for a document: the loop's turns above, connections beneath, time to the
//! right. It is light or dark as its reader is.
//!
//! What is narrower than a pixel is drawn together with its neighbours, the paler the less of the
//! time it takes: so the picture stays small however much is in it, and true.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use super::timeline::{Group, Item, Sort, Timeline, What};
use crate::scope::text::Span;

const LEFT: f64 = 230.0;
const WIDTH: f64 = 1000.0;
const ROW: f64 = 14.0;
const HEAD: f64 = 34.0;

/// Connections of a recording that are drawn: the busiest.
const ROWS: usize = 40;

const STYLE: &str = "\
svg{background:#fff;font:11px system-ui,sans-serif}text{fill:#333}.title{font-weight:600;font-size:13px}\
.dim{fill:#777}.grid{stroke:#ddd}.waiting{fill:#d8d8d8}.working{fill:#2f6fb5}.life{fill:#e6edf5}\
.stage{fill:#bcd3ea}.call{fill:#1d4f86}.stall{fill:#c62828}\
@media(prefers-color-scheme:dark){svg{background:#16181c}text{fill:#ddd}.dim{fill:#999}\
.grid{stroke:#333}.waiting{fill:#3a3d42}.working{fill:#6ea8e6}.life{fill:#222b36}.stage{fill:#31506f}\
.call{fill:#9cc7f2}.stall{fill:#ff6b6b}}";

pub(super) fn write(timeline: &Timeline, out: &mut impl io::Write) -> io::Result<()> {
    out.write_all(draw(timeline).as_bytes())
}

/// The whole picture.
fn draw(timeline: &Timeline) -> String {
    let first = timeline.items.first().map_or(0, |item| item.at);
    let last = timeline.items.last().map_or(0, |item| item.at).max(first.saturating_add(1));
    let mut canvas =
        Canvas { body: String::new(), first, scale: WIDTH / (last - first).max(1) as f64 };
    let rows = choose(timeline);
    let mut places = HashMap::new();
    let mut y = HEAD;
    for (process, name) in timeline.processes.iter().enumerate() {
        canvas.label("title", 8.0, y + 4.0, name);
        y += 10.0;
        for &track in rows.iter().filter(|row| timeline.is_of(**row, process)) {
            let Some(shown) = timeline.tracks.get(track) else { continue };
            canvas.label("dim", 8.0, y + 10.0, &shown.name);
            places.insert(track, y);
            y += ROW + if shown.sort == Sort::Loop { 6.0 } else { 0.0 };
        }
        y += 24.0;
    }
    let height = y + 8.0;
    canvas.fill(timeline, &places);
    let axis = axis(&canvas, last, height);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" role=\"img\">\
         <title>Turns and connections over time</title><style>{STYLE}</style>{axis}{}</svg>\n",
        LEFT + WIDTH + 20.0,
        canvas.body
    )
}

impl Timeline {
    fn is_of(&self, track: usize, process: usize) -> bool {
        self.tracks.get(track).is_some_and(|track| track.process == process)
    }
}

/// The tracks that are drawn, in their order: every loop that has turns, and the busiest
/// connections of each recording.
fn choose(timeline: &Timeline) -> Vec<usize> {
    let mut counts = vec![0_usize; timeline.tracks.len()];
    for item in &timeline.items {
        if let Some(count) = counts.get_mut(item.track) {
            *count += usize::from(matches!(item.what, What::Begin { .. }));
        }
    }
    let mut chosen = Vec::new();
    for process in 0..timeline.processes.len() {
        let tracks = timeline.tracks.iter().enumerate();
        let of = |sort| {
            tracks.clone().filter(move |(_, each)| each.process == process && each.sort == sort)
        };
        let count = |track: usize| counts.get(track).copied().unwrap_or(0);
        let mut busiest: Vec<_> = of(Sort::Connection)
            .map(|(track, _)| track)
            .filter(|track| count(*track) > 0)
            .collect();
        busiest.sort_by_key(|track| (std::cmp::Reverse(count(*track)), *track));
        busiest.truncate(ROWS);
        chosen.extend(of(Sort::Loop).map(|(track, _)| track).filter(|track| count(*track) > 0));
        chosen.extend(busiest);
    }
    chosen.sort_unstable();
    chosen
}

/// Lines at round times.
fn axis(canvas: &Canvas, last: u64, height: f64) -> String {
    let mut text = String::new();
    let range = last - canvas.first;
    let mut step = 1_u64;
    // 1, 2, 5, 10, 20, … until there are at most ten.
    for factor in [2, 5, 10].into_iter().cycle() {
        if range / step <= 10 {
            break;
        }
        let power = 10_u64.pow(step.ilog10());
        step = power.saturating_mul(factor);
    }
    for tick in 0..=range / step {
        let at = canvas.first.saturating_add(tick * step);
        let (x, bottom) = (canvas.x(at), height - 6.0);
        // To a string nothing fails.
        let _ = write!(text, "<path class=\"grid\" d=\"M{x:.1} 22V{bottom:.1}\"/>");
        let _ = write!(
            text,
            "<text class=\"dim\" x=\"{x:.1}\" y=\"16\" text-anchor=\"middle\">{}</text>",
            Span(Duration::from_nanos(tick * step))
        );
    }
    text
}

struct Canvas {
    body: String,
    first: u64,
    /// Pixels of a nanosecond.
    scale: f64,
}

/// A slice that has begun.
struct Begun {
    at: u64,
    class: &'static str,
    name: String,
}

/// A rectangle that may still grow.
#[derive(Clone, Copy)]
struct Bar {
    from: f64,
    to: f64,
    /// How much of it is covered.
    covered: f64,
}

/// Those that are drawn together grow no longer than this.
const TOGETHER: f64 = 3.0;

impl Canvas {
    fn x(&self, at: u64) -> f64 {
        LEFT + at.saturating_sub(self.first) as f64 * self.scale
    }

    fn label(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let short: String = text.chars().take(40).collect();
        let text = escape(&short);
        let _ = write!(self.body, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>");
    }

    /// Draws what is on the tracks that have a place.
    fn fill(&mut self, timeline: &Timeline, places: &HashMap<usize, f64>) {
        let mut stacks: HashMap<usize, Vec<Begun>> = HashMap::new();
        // What lies within something else is drawn over it.
        let mut layers: [String; 4] = Default::default();
        let mut bars: HashMap<(usize, &'static str), Bar> = HashMap::new();
        for Item { at, track, what } in &timeline.items {
            let Some(&y) = places.get(track) else { continue };
            let stack = stacks.entry(*track).or_default();
            match what {
                What::Begin { group, name, .. } => {
                    let class = if *group == Group::Turn && name == "waiting" {
                        "waiting"
                    } else {
                        class(*group)
                    };
                    stack.push(Begun { at: *at, class, name: name.to_string() });
                }
                What::End => {
                    let Some(begun) = stack.pop() else { continue };
                    let (from, to) = (self.x(begun.at), self.x(*at));
                    let bar = Bar { from, to, covered: to - from };
                    let text = slice(&mut bars, *track, y, &begun, bar, *at);
                    if let Some(layer) = layers.get_mut(depth(begun.class)) {
                        layer.push_str(&text);
                    }
                }
                What::Instant { name, .. } if name == "stall" => {
                    let [.., marks] = &mut layers;
                    let _ = write!(
                        marks,
                        "<circle class=\"stall\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>stall</title></circle>",
                        self.x(*at),
                        y + ROW / 2.0
                    );
                }
                What::Instant { .. } | What::Value(_) => {}
            }
        }
        for ((track, class), bar) in sorted(bars) {
            if let (Some(&y), Some(layer)) = (places.get(&track), layers.get_mut(depth(class))) {
                rectangle(layer, class, y, bar, "");
            }
        }
        layers.iter().for_each(|layer| self.body.push_str(layer));
    }
}

/// What can be drawn of a slice: one of a pixel or more by itself, narrower ones when there is a gap
/// behind them.
fn slice(
    bars: &mut HashMap<(usize, &'static str), Bar>,
    track: usize,
    y: f64,
    begun: &Begun,
    bar: Bar,
    ended: u64,
) -> String {
    let mut text = String::new();
    if bar.to - bar.from >= 1.0 {
        let took = Span(Duration::from_nanos(ended.saturating_sub(begun.at)));
        let title = format!("<title>{} {took}</title>", escape(&begun.name));
        rectangle(&mut text, begun.class, y, bar, &title);
        return text;
    }
    let first = Bar { covered: 0.0, ..bar };
    let pending = bars.entry((track, begun.class)).or_insert(first);
    if bar.from - pending.to <= 0.5 && bar.to - pending.from <= TOGETHER {
        pending.to = pending.to.max(bar.to);
        pending.covered += bar.covered;
    } else {
        let done = std::mem::replace(pending, bar);
        rectangle(&mut text, begun.class, y, done, "");
    }
    text
}

fn rectangle(text: &mut String, class: &str, y: f64, bar: Bar, title: &str) {
    let (top, height) = match class {
        "call" => (y + 3.0, ROW - 8.0),
        "stage" => (y + 1.5, ROW - 5.0),
        _ => (y, ROW - 2.0),
    };
    let width = (bar.to - bar.from).max(0.5);
    let share = (bar.covered / width).clamp(0.25, 1.0);
    let pale = if share < 0.95 { format!(" fill-opacity=\"{share:.2}\"") } else { String::new() };
    let _ = write!(
        text,
        "<rect class=\"{class}\"{pale} x=\"{:.2}\" y=\"{top:.1}\" width=\"{width:.2}\" height=\"{height:.1}\">{title}</rect>",
        bar.from
    );
}

const fn class(group: Group) -> &'static str {
    match group {
        Group::Turn => "working",
        Group::Life => "life",
        Group::Stage => "stage",
        Group::Call => "call",
    }
}

fn depth(class: &str) -> usize {
    match class {
        "call" => 2,
        "stage" => 1,
        _ => 0,
    }
}

/// The same picture each time.
fn sorted(bars: HashMap<(usize, &'static str), Bar>) -> Vec<((usize, &'static str), Bar)> {
    let mut bars: Vec<_> = bars.into_iter().collect();
    bars.sort_by_key(|(key, _)| *key);
    bars
}

/// Text within XML.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML has no place for them, not even escaped.
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                safe.push('\u{fffd}');
            }
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_peer_is_markup() {
        assert_eq!(
            escape("<a href=\"x\">&\u{1b}\n"),
            "&lt;a href=&quot;x&quot;&gt;&amp;\u{fffd}\u{fffd}"
        );
    }
}
