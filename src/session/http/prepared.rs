//! An answer that is the same every time: [`Prepared`].

use bytes::Bytes;

use crate::proto::h1::Version;
use crate::proto::h1::encode::{self, BodyLength, Connection, InvalidHeader};
use crate::session::http::reply::body_length;

/// An answer that is the same every time, checked and framed once.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) status: u16,
    /// For a connection that stays open, for one of HTTP/1.0 that does, and for one that closes.
    pub(super) keep: Form,
    pub(super) keep_10: Form,
    pub(super) close: Form,
    /// Where the date stands, in each of them.
    pub(super) date: usize,
    /// The body, if it is not in them.
    pub(super) shared: Option<Bytes>,
}

#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) whole: Vec<u8>,
    /// Where the head ends.
    pub(super) head: usize,
}

impl Prepared {
    /// A shared body up to so many bytes is included in the prepared answer, three times: that costs
    /// less than to look for it each time.
    pub const INCLUDED: usize = 2048;

    /// Prepares an answer.
    ///
    /// # Errors
    ///
    /// A field would break its framing.
    pub fn new(status: u16, headers: &[(&str, &[u8])], body: &[u8]) -> Result<Self, InvalidHeader> {
        let mut prepared = Prepared::head(status, headers, body.len())?;
        if body_length(status, 0) != BodyLength::None {
            for form in [&mut prepared.keep, &mut prepared.keep_10, &mut prepared.close] {
                form.whole.extend_from_slice(body);
            }
        }
        Ok(prepared)
    }

    /// The same around a body that is kept elsewhere too; of a long one there is only that copy.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn shared(
        status: u16,
        headers: &[(&str, &[u8])],
        body: Bytes,
    ) -> Result<Self, InvalidHeader> {
        if body.len() <= Self::INCLUDED || body_length(status, 0) == BodyLength::None {
            return Prepared::new(status, headers, &body);
        }
        let head = Prepared::head(status, headers, body.len())?;
        Ok(Prepared { shared: Some(body), ..head })
    }

    fn head(status: u16, headers: &[(&str, &[u8])], length: usize) -> Result<Self, InvalidHeader> {
        // No field before the date can contain these bytes: the encoder writes it first.
        const MARK: &[u8; 29] = b"Thu, 01 Jan 1970 00:00:00 GMT";
        let length = body_length(status, length as u64);
        let form = |version, connection| {
            let mut whole = Vec::new();
            encode::head(&mut whole, version, status, MARK, headers, length, connection)?;
            Ok(Form { head: whole.len(), whole })
        };
        let keep = form(Version::Http11, Connection::KeepAlive)?;
        let date = keep.whole.windows(MARK.len()).position(|window| window == MARK).unwrap_or(0);
        Ok(Prepared {
            status,
            keep,
            keep_10: form(Version::Http10, Connection::KeepAlive)?,
            close: form(Version::Http11, Connection::Close)?,
            date,
            shared: None,
        })
    }
}
