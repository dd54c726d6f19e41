//! What the screen shows, and what each key does about it.
//!
//! Pure: [`terminal`](super::terminal) gives it keys and news, [`draw`](super::draw) shows it.

use std::cmp::Reverse;
use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::feed::{News, Wish};
use super::history::History;
use super::sample::{Connection, Sample};

/// By what the connections are sorted: the heads of the columns, largest first but for the names.
pub(super) const SORTS: [&str; 8] =
    ["busy", "requests", "in", "out", "longest", "unsent", "idle", "token"];

/// What is shown.
#[derive(Debug, Default)]
pub(super) struct Screen {
    pub(super) history: History,
    /// Nothing new is shown for now.
    pub(super) is_paused: bool,
    /// Which of [`SORTS`].
    pub(super) sort: usize,
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) is_typing: bool,
    pub(super) shows_help: bool,
    /// The row that a key acts on, by its token.
    pub(super) selected: String,
    /// The connection that is looked at, by its token.
    pub(super) followed: Option<String>,
    /// Why there is nothing new, and how long until it is tried again.
    pub(super) trouble: Option<(String, Duration)>,
}

/// What a key leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing but another picture.
    Draw,
    /// The end.
    Quit,
    /// The samples are to hold something else.
    Wish(Wish),
}

impl Screen {
    /// Takes what the feed tells.
    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::Sample(_) if self.is_paused => self.trouble = None,
            News::Sample(sample) => {
                self.trouble = None;
                self.show(*sample);
            }
            News::Lost(trouble, pause) => self.trouble = Some((trouble.to_string(), pause)),
        }
    }

    /// Shows a sample.
    pub(super) fn show(&mut self, sample: Sample) {
        let follow = self.followed.clone().unwrap_or_default();
        self.history.take(sample, &follow);
    }

    /// The connections to show, in their order.
    pub(super) fn rows(&self) -> Vec<&Connection> {
        let filter = self.filter.to_lowercase();
        let mut rows: Vec<&Connection> =
            self.history.sample.connections.iter().filter(|row| takes(row, &filter)).collect();
        match SORTS.get(self.sort).copied().unwrap_or_default() {
            "token" => rows.sort_by_key(|row| place(&row.token)),
            by => rows.sort_by_key(|row| (Reverse(figure(row, by)), place(&row.token))),
        }
        rows
    }

    /// The connection that is followed, if it is still there.
    pub(super) fn subject(&self) -> Option<&Connection> {
        let token = self.followed.as_deref()?;
        self.history.sample.connections.iter().find(|row| row.token == token)
    }

    /// Does what a key asks for.
    pub(super) fn press(&mut self, key: KeyEvent) -> Act {
        if key.kind == KeyEventKind::Release {
            return Act::Draw;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Act::Quit } else { Act::Draw };
        }
        if self.is_typing {
            return self.type_filter(key.code);
        }
        match key.code {
            KeyCode::Char('q') => return Act::Quit,
            KeyCode::Char('?' | 'h') => self.shows_help = !self.shows_help,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('s') => self.sort = (self.sort + 1) % SORTS.len(),
            KeyCode::Char('S') => self.sort = (self.sort + SORTS.len() - 1) % SORTS.len(),
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Up | KeyCode::Char('k') => self.select(-1),
            KeyCode::Down | KeyCode::Char('j') => self.select(1),
            KeyCode::PageUp => self.select(-10),
            KeyCode::PageDown => self.select(10),
            KeyCode::Home => self.select(isize::MIN / 2),
            KeyCode::End => self.select(isize::MAX / 2),
            KeyCode::Enter => return self.follow(),
            KeyCode::Esc => return self.back(),
            _ => {}
        }
        Act::Draw
    }

    /// What the samples are to hold.
    fn wish(&self) -> Act {
        Act::Wish(Wish {
            follow: self.followed.clone().unwrap_or_default(),
            filter: self.filter.clone(),
        })
    }

    fn type_filter(&mut self, key: KeyCode) -> Act {
        match key {
            // A terminal's line is as much as anybody looks for.
            KeyCode::Char(typed) if self.filter.len() < 80 => self.filter.push(typed),
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Esc => {
                self.filter.clear();
                self.is_typing = false;
                return self.wish();
            }
            KeyCode::Enter => {
                self.is_typing = false;
                return self.wish();
            }
            _ => {}
        }
        Act::Draw
    }

    fn select(&mut self, by: isize) {
        let rows = self.rows();
        let at = rows.iter().position(|row| row.token == self.selected);
        let to = match at {
            Some(at) => at.saturating_add_signed(by).min(rows.len().saturating_sub(1)),
            None if by > 10 => rows.len().saturating_sub(1),
            None => 0,
        };
        if let Some(row) = rows.get(to) {
            self.selected = row.token.clone();
        }
    }

    fn follow(&mut self) -> Act {
        let rows = self.rows();
        let chosen = rows.iter().find(|row| row.token == self.selected).or(rows.first());
        let Some(token) = chosen.map(|row| row.token.clone()) else { return Act::Draw };
        if self.followed.as_ref() == Some(&token) {
            return self.back();
        }
        self.selected.clone_from(&token);
        self.history.recall(&token);
        self.followed = Some(token);
        self.wish()
    }

    /// One step back: from the help, from a connection, from a filter.
    fn back(&mut self) -> Act {
        if self.shows_help {
            self.shows_help = false;
            return Act::Draw;
        }
        if self.followed.take().is_some() {
            return self.wish();
        }
        self.filter.clear();
        self.wish()
    }
}

fn takes(row: &Connection, filter: &str) -> bool {
    let texts = [&row.token, &row.peer, &row.kind, &row.life, &row.stage, &row.label];
    filter.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(filter))
}

fn figure(row: &Connection, by: &str) -> u64 {
    match by {
        "busy" => row.busy,
        "requests" => row.requests,
        "in" => row.came,
        "out" => row.went,
        "longest" => row.longest,
        "unsent" => row.unsent,
        _ => row.idle,
    }
}

/// A token's index, for an order that stays.
fn place(token: &str) -> u64 {
    token.split('.').next().and_then(|index| index.parse().ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::trouble::Trouble;

    fn screen() -> Screen {
        let text = r#"{"now":1,"connections":[
            {"token":"0.0","kind":"listener","busy":1},
            {"token":"2.1","peer":"10.0.0.9:5","label":"GET /slow","busy":9,"requests":1},
            {"token":"10.4","peer":"10.0.0.7:6","label":"GET /","busy":5,"requests":7}]}"#;
        let mut screen = Screen::default();
        screen.show(Sample::parse(text).expect("a sample"));
        screen
    }

    fn press(screen: &mut Screen, keys: &str) -> Act {
        let mut last = Act::Draw;
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\x1b' => KeyCode::Esc,
                '\x08' => KeyCode::Backspace,
                key => KeyCode::Char(key),
            };
            last = screen.press(KeyEvent::new(code, KeyModifiers::NONE));
        }
        last
    }

    fn tokens(screen: &Screen) -> Vec<&str> {
        screen.rows().iter().map(|row| row.token.as_str()).collect()
    }

    #[test]
    fn rows_are_sorted_and_filtered_by_keys() {
        let mut screen = screen();
        assert_eq!(tokens(&screen), ["2.1", "10.4", "0.0"]);
        press(&mut screen, "s");
        assert_eq!(tokens(&screen), ["10.4", "2.1", "0.0"]);
        press(&mut screen, "SS");
        assert_eq!(tokens(&screen), ["0.0", "2.1", "10.4"]);
        assert_eq!(press(&mut screen, "/SLOWx\x08"), Act::Draw);
        assert_eq!(tokens(&screen), ["2.1"]);
        let wish = Wish { filter: "SLOW".into(), ..Wish::default() };
        assert_eq!(press(&mut screen, "\n"), Act::Wish(wish));
        assert_eq!(press(&mut screen, "\x1b"), Act::Wish(Wish::default()));
        assert_eq!(tokens(&screen).len(), 3);
        // While a filter is typed, q is a letter.
        assert_eq!(press(&mut screen, "/q"), Act::Draw);
        assert_eq!(press(&mut screen, "\x1bq"), Act::Quit);
    }

    #[test]
    fn one_is_selected_and_followed_though_the_order_changes() {
        let mut screen = screen();
        press(&mut screen, "jj");
        assert_eq!(screen.selected, "10.4");
        press(&mut screen, "s");
        assert_eq!(screen.selected, "10.4");
        let wish = Wish { follow: "10.4".into(), ..Wish::default() };
        assert_eq!(press(&mut screen, "\n"), Act::Wish(wish));
        assert_eq!(screen.subject().map(|row| row.requests), Some(7));
        assert_eq!(press(&mut screen, "?\x1b"), Act::Draw);
        assert_eq!(press(&mut screen, "\x1b"), Act::Wish(Wish::default()));
        assert!(screen.subject().is_none());
    }

    #[test]
    fn paused_it_shows_what_it_showed_and_says_what_is_wrong() {
        let mut screen = screen();
        press(&mut screen, "p");
        screen.hear(News::Sample(Box::default()));
        assert_eq!(screen.history.sample.connections.len(), 3);
        screen.hear(News::Lost(Trouble::Ended, Duration::from_secs(1)));
        assert!(screen.trouble.is_some());
        screen.hear(News::Sample(Box::default()));
        assert!(screen.trouble.is_none());
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(screen.press(control_c), Act::Quit);
    }

    #[test]
    fn keys_do_no_harm_where_there_is_nothing() {
        let mut screen = Screen::default();
        assert_eq!(press(&mut screen, "jk\n\x1bspp//\n\x08"), Act::Draw);
    }
}
