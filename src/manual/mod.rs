//! The manual: a book about readiness-based servers and about this one, in English ([`en`]) and in
//! Simplified Chinese ([`zh`]).
//!
//! It is kept where the code is so that it is read and stays right: its Rust examples are compiled,
//! its links to the code are checked by rustdoc, and a test compares the two languages. Each page is
//! a Markdown file, shown here as a module, and in the browser at `/manual` of `readyloop serve`.
//!
//! Documentation only. Nothing of the loop calls it and it uses nothing; `app::book` serves its text.

/// Declares pages: each a documented module, and a row of the table that is served.
macro_rules! pages {
    ($($name:ident: $file:expr),* $(,)?) => {
        $(#[doc = include_str!($file)] pub mod $name {})*

        /// The pages in the order in which they are read.
        #[cfg(feature = "cli")]
        pub(crate) const PAGES: &[crate::manual::Page] = &[
            $(crate::manual::Page { name: stringify!($name), text: include_str!($file) }),*
        ];
    };
}

/// The chapters of a language.
macro_rules! chapters {
    ($language:literal) => {
        pages! {
            readiness: concat!($language, "/01-readiness.md"),
            nonblocking: concat!($language, "/02-non-blocking.md"),
            edges: concat!($language, "/03-edges.md"),
            turn: concat!($language, "/04-turn.md"),
            connection: concat!($language, "/05-connection.md"),
            writing: concat!($language, "/06-writing.md"),
            closing: concat!($language, "/07-closing.md"),
            timers: concat!($language, "/08-timers.md"),
            tls: concat!($language, "/09-tls.md"),
            http: concat!($language, "/10-http.md"),
            watching: concat!($language, "/11-watching.md"),
            embedding: concat!($language, "/12-embedding.md"),
            measuring: concat!($language, "/13-measuring.md"),
            models: concat!($language, "/14-models.md"),
            glossary: concat!($language, "/15-glossary.md"),
        }
    };
}

/// The lessons of a language, in their order. A new one is a line here and a file in each of
/// `en/lessons` and `zh/lessons`.
macro_rules! lessons {
    ($language:literal) => {
        pages! {
            blocking_pair: concat!($language, "/lessons/blocking_pair.md"),
            time_outs: concat!($language, "/lessons/time_outs.md"),
            non_blocking: concat!($language, "/lessons/non_blocking.md"),
            readiness: concat!($language, "/lessons/readiness.md"),
            datagrams: concat!($language, "/lessons/datagrams.md"),
            chat: concat!($language, "/lessons/chat.md"),
            tls_handshake: concat!($language, "/lessons/tls_handshake.md"),
            http_in_pieces: concat!($language, "/lessons/http_in_pieces.md"),
            lost_edge: concat!($language, "/lessons/lost_edge.md"),
            drain_forever: concat!($language, "/lessons/drain_forever.md"),
            blocked_handler: concat!($language, "/lessons/blocked_handler.md"),
            forgotten_writable: concat!($language, "/lessons/forgotten_writable.md"),
            kept_writable: concat!($language, "/lessons/kept_writable.md"),
            descriptor_exhaustion: concat!($language, "/lessons/descriptor_exhaustion.md"),
            nagle_delayed_ack: concat!($language, "/lessons/nagle_delayed_ack.md"),
            unbounded_output: concat!($language, "/lessons/unbounded_output.md"),
            stale_token: concat!($language, "/lessons/stale_token.md"),
            stale_now: concat!($language, "/lessons/stale_now.md"),
            coordinated_omission: concat!($language, "/lessons/coordinated_omission.md"),
        }
    };
}

pub mod en;
pub mod zh;

/// One page, as it is written.
#[cfg(feature = "cli")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// Its module's name.
    pub(crate) name: &'static str,
    /// Its Markdown.
    pub(crate) text: &'static str,
}
