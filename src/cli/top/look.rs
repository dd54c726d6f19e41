//! How things look: colours where they are wanted, weight where they are not.

use std::ffi::OsStr;

use ratatui::style::{Color, Modifier, Style};

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) colours: bool,
}

impl Look {
    /// As the environment says: `NO_COLOR` with any text in it means none (no-color.org).
    pub(super) fn of(no_color: Option<&OsStr>) -> Self {
        Look { colours: no_color.is_none_or(OsStr::is_empty) }
    }

    fn colour(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// Names of things.
    pub(super) fn name(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is beside the point.
    pub(super) fn quiet(self) -> Style {
        if self.colours { self.colour(Color::DarkGray) } else { Style::new() }
    }

    /// Work that is as it should be.
    pub(super) fn work(self) -> Style {
        self.colour(Color::Green)
    }

    /// What deserves a second look.
    pub(super) fn notable(self) -> Style {
        self.colour(Color::Yellow)
    }

    /// What is wrong.
    pub(super) fn wrong(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// The row that keys act on.
    pub(super) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
