//! The connections as rows, and one of them with its calls.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table, TableState};

use super::look::Look;
use super::sample::Connection;
use super::screen::{SORTS, Screen};
use super::words;

/// A column: its head, its width, from which width of the terminal on it is shown, its text.
struct Column {
    head: &'static str,
    width: u16,
    from: u16,
    is_number: bool,
    text: fn(&Connection) -> String,
}

const fn column(
    head: &'static str,
    width: u16,
    from: u16,
    is_number: bool,
    text: fn(&Connection) -> String,
) -> Column {
    Column { head, width, from, is_number, text }
}

/// In their order. The request has the room that the others leave.
const COLUMNS: [Column; 11] = [
    column("token", 8, 0, false, |row| row.token.clone()),
    column("peer", 21, 110, false, |row| row.peer.clone()),
    column("state", 13, 0, false, Connection::state),
    column("request", 0, 60, false, request),
    column("in", 5, 70, true, |row| words::bytes(row.came)),
    column("out", 5, 50, true, |row| words::bytes(row.went)),
    column("requests", 8, 40, true, |row| words::count(row.requests as f64)),
    column("busy", 7, 30, true, |row| words::time(row.busy)),
    column("longest", 7, 75, true, |row| words::time(row.longest)),
    column("unsent", 6, 50, true, |row| words::bytes(row.unsent)),
    column("idle", 7, 90, true, |row| words::time(row.idle)),
];

fn request(row: &Connection) -> String {
    match (row.me, row.label.is_empty()) {
        (true, _) => "this view".to_owned(),
        (_, true) => row.kind.clone(),
        _ => row.label.clone(),
    }
}

/// All of them.
pub(super) fn all(frame: &mut Frame<'_>, area: Rect, screen: &Screen, look: Look) {
    let rows = screen.rows();
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| area.width >= column.from).collect();
    let sort = SORTS.get(screen.sort).copied().unwrap_or_default();
    let head = columns.iter().map(|column| {
        let style = if column.head == sort { look.chosen() } else { look.name() };
        Span::styled(aligned(column, column.head.to_owned()), style)
    });
    let body = rows.iter().map(|row| {
        let cells = columns.iter().map(|column| aligned(column, (column.text)(row)));
        Row::new(cells.map(|cell| words::fit(&cell, usize::from(u16::MAX)))).style(of(row, look))
    });
    let widths = columns.iter().map(|column| match column.width {
        0 => Constraint::Min(8),
        width => Constraint::Length(width),
    });
    let table = Table::new(body, widths).header(Row::new(head)).row_highlight_style(look.chosen());
    let at = rows.iter().position(|row| row.token == screen.selected);
    let mut state = TableState::default().with_selected(at);
    let [main, foot] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(area);
    frame.render_stateful_widget(table, main, &mut state);
    let sample = &screen.history.sample;
    let mut count = format!("{} of {} sockets", rows.len(), sample.open.max(sample.shown));
    if sample.shown < sample.open {
        count.push_str(": a sample of them; filter to see others");
    }
    frame.render_widget(Paragraph::new(Line::styled(count, look.quiet())), foot);
}

fn aligned(column: &Column, text: String) -> String {
    let width = usize::from(column.width);
    if column.is_number { format!("{text:>width$}") } else { text }
}

/// A row's style: what is the matter with its connection.
fn of(row: &Connection, look: Look) -> Style {
    match row {
        row if row.stalls > 0 || row.paused => look.wrong(),
        row if row.full || row.queued => look.notable(),
        row if row.me => look.quiet(),
        _ => Style::new(),
    }
}

/// The one that is followed, and its calls, the newest first.
pub(super) fn one(frame: &mut Frame<'_>, area: Rect, screen: &Screen, look: Look) {
    let token = screen.followed.as_deref().unwrap_or_default();
    let mut lines = Vec::new();
    match screen.subject() {
        Some(row) => lines.extend(described(row, look)),
        None => {
            lines.push(Line::styled(format!("#{token} is gone; Esc goes back"), look.notable()))
        }
    }
    let threshold = screen.history.sample.threshold();
    let now = screen.history.sample.now;
    lines.push(Line::styled("calls of its session in the turns that were seen", look.name()));
    for call in screen.history.calls.iter().rev().take(usize::from(area.height)) {
        let style = if call.took >= threshold { look.wrong() } else { Style::new() };
        let ago = words::time(now.saturating_sub(call.began));
        let text = format!("{ago:>8} ago  {:<10} took {}", call.call, words::time(call.took));
        lines.push(Line::styled(text, style));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn described(row: &Connection, look: Look) -> Vec<Line<'static>> {
    let [came, went] = [row.came, row.went].map(words::bytes);
    let title = format!("#{} {} {}", row.token, row.kind, words::fit(&row.peer, 60));
    vec![
        Line::styled(title, look.name()),
        Line::from(format!(
            "{}  open for {}  idle for {}  {}",
            row.state(),
            words::span(row.age),
            words::time(row.idle),
            words::fit(&row.label, 200),
        )),
        Line::from(format!(
            "read {came} in {} reads, wrote {went} in {} writes, {} unsent, {} would have blocked",
            row.reads,
            row.writes,
            words::bytes(row.unsent),
            row.blocked,
        )),
        Line::from(format!(
            "{} requests, {} calls, busy {} in all, {} the longest, {} stalls, {} budgets run out",
            row.requests,
            row.calls,
            words::time(row.busy),
            words::time(row.longest),
            row.stalls,
            row.budgets,
        )),
        Line::from(""),
    ]
}
