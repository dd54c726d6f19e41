//! What `serve` says when everything listens: one line per row, and how to end it all.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::app::site::Row;

/// A heading with lines beneath it, after the table.
pub(super) struct Note {
    pub(super) name: &'static str,
    pub(super) lines: Vec<String>,
}

/// The banner's text.
pub(super) fn render(title: &str, rows: &[Row], notes: &[Note]) -> String {
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max();
    let name = width(|row| row.name).unwrap_or(0).max(13);
    let address = width(|row| &row.address).unwrap_or(0).max(7);
    let mut text = format!(
        "readyloop {}: {title}, process {}\n\n",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {:name$}  {:address$}  try it", "row", "address");
    for row in rows {
        let _ = writeln!(text, "  {:name$}  {:address$}  {}", row.name, row.address, row.try_it);
    }
    text.push('\n');
    for note in notes {
        let mut name_once = note.name;
        for line in &note.lines {
            let _ = writeln!(text, "  {name_once:name$}  {line}");
            name_once = "";
        }
    }
    text
}

/// Writes to stdout. Whoever has closed it, as `head` does, has seen enough.
pub(super) fn print(text: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_notes_follow() {
        let row = |name, address: &str| Row {
            name,
            what: "",
            address: address.into(),
            try_it: format!("try {name}"),
        };
        let rows = [row("http", "127.0.0.1:8080"), row("udp-responder", "[::1]:8023")];
        let notes = [Note { name: "stop", lines: vec!["Ctrl-C".into(), "kill".into()] }];
        let text = render("a title", &rows, &notes);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "  row            address         try it",
                "  http           127.0.0.1:8080  try http",
                "  udp-responder  [::1]:8023      try udp-responder",
                "",
                "  stop           Ctrl-C",
                "                 kill",
            ]
        );
    }
}
