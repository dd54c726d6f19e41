//! An answer that is always the same, in each coding that clients may like: [`Coded`].
//!
//! Made by the site for its pages and what they load. Compressed once, at start; answering chooses
//! and copies.

use std::io;

use crate::proto::h1::Head;
use crate::session::http::{Answered, Prepared, Reply};
use crate::web::coding::{Coding, Options, compress};

/// The server's order of preference.
const CODINGS: [Coding; 3] = [Coding::Brotli, Coding::Gzip, Coding::Identity];

/// The forms of an answer, in the order of [`CODINGS`].
pub(super) struct Coded([Prepared; 3]);

impl Coded {
    /// # Errors
    ///
    /// A field cannot be framed.
    pub(super) fn new(headers: &[(&str, &[u8])], body: &[u8]) -> io::Result<Self> {
        let form = |coding: Coding| {
            let mut headers = headers.to_vec();
            headers.push(("Vary", b"Accept-Encoding"));
            if coding == Coding::Identity {
                return Prepared::new(200, &headers, body).map_err(io::Error::other);
            }
            headers.push(("Content-Encoding", coding.name().as_bytes()));
            let body = compress(body, coding, &Options::default())?;
            Prepared::new(200, &headers, &body).map_err(io::Error::other)
        };
        let [first, second, third] = CODINGS;
        Ok(Coded([form(first)?, form(second)?, form(third)?]))
    }

    /// Answers in the form that the client likes best; as it is if it likes none.
    pub(super) fn answer(&self, head: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let [brotli, gzip, identity] = &self.0;
        reply.prepared(match Coding::choose(head.headers(), &CODINGS) {
            Some(Coding::Brotli) => brotli,
            Some(Coding::Gzip) => gzip,
            _ => identity,
        })
    }
}
