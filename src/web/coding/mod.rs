//! Content codings: which answers are compressed, with what, and how (RFC 9110 §8.4).
//!
//! Called by handlers that make whole answers ([`send`], or [`coded`] around a function that
//! returns one; [`Wish`] if it is made off the loop), and by exchanges that stream theirs
//! ([`Stream`]). What is compressed here was made
//! for one request; files are the business of [`files`](super::files), which compresses them once.
//!
//! Never compressed: types that are compressed already, short bodies, parts of a body, answers that
//! say `no-transform` or have a coding of their own. A strong `ETag` becomes weak, because the bytes
//! are no longer those it named; so what is edited under `If-Match` is better not compressed.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::proto::h1::{Head, Headers};
use crate::session::http::{Answered, Reply, Response, Writer};
use crate::web::negotiate;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    /// As it is.
    Identity,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
    /// `gzip` (RFC 1952).
    Gzip,
}

impl Coding {
    /// Its registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// The one of `offers`, which are in the server's order, that a request with these fields
    /// prefers. `None` if it accepts none of them.
    pub fn choose(fields: Headers<'_>, offers: &[Coding]) -> Option<Coding> {
        let mut names = [""; 4];
        for (name, offer) in names.iter_mut().zip(offers) {
            *name = offer.name();
        }
        let names = names.get(..offers.len()).unwrap_or(&names);
        let at = negotiate::encoding(fields.values("accept-encoding"), names)?;
        offers.get(at).copied()
    }
}

/// When and how hard to compress.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bodies shorter than this are left alone: one packet is one packet. 1 KiB.
    pub min_bytes: usize,
    /// Bodies longer than this are compressed off the loop. 32 KiB: about half a millisecond.
    pub offload_bytes: usize,
    /// The level of gzip, 1 (fast) to 9 (small). 5.
    pub gzip_level: u32,
    /// The quality of brotli, 0 (fast) to 11 (small). 4.
    pub brotli_quality: u32,
    /// The logarithm of brotli's window, 10 to 24: memory of each stream. 18, which is 256 KiB.
    pub brotli_window: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            min_bytes: 1024,
            offload_bytes: 32 * 1024,
            gzip_level: 5,
            brotli_quality: 4,
            brotli_window: 18,
        }
    }
}

/// What is made while a request waits.
const DYNAMIC: [Coding; 3] = [Coding::Brotli, Coding::Gzip, Coding::Identity];

/// True for types whose bodies become shorter by compression: text, and what is written like it.
pub fn is_compressible(content_type: &[u8]) -> bool {
    let end = content_type.iter().position(|&byte| byte == b';').unwrap_or(content_type.len());
    let name = content_type.get(..end).unwrap_or(content_type).trim_ascii().to_ascii_lowercase();
    const NAMES: &[&[u8]] = &[
        b"application/javascript",
        b"application/json",
        b"application/manifest+json",
        b"application/rtf",
        b"application/sql",
        b"application/toml",
        b"application/vnd.ms-fontobject",
        b"application/wasm",
        b"application/x-javascript",
        b"application/x-ndjson",
        b"application/x-sh",
        b"application/xml",
        b"application/yaml",
        b"font/otf",
        b"font/ttf",
        b"image/bmp",
        b"image/x-icon",
        b"image/vnd.microsoft.icon",
    ];
    name.starts_with(b"text/")
        || name.ends_with(b"+json")
        || name.ends_with(b"+xml")
        || NAMES.contains(&&*name)
}

/// Compresses a body piece by piece.
pub struct Encoder(Kind);

enum Kind {
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    /// An encoder; `None` for codings that are not made here.
    pub fn new(coding: Coding, options: &Options) -> Option<Self> {
        let kind = match coding {
            Coding::Gzip => {
                let level = flate2::Compression::new(options.gzip_level.min(9));
                Kind::Gzip(Box::new(flate2::write::GzEncoder::new(Vec::new(), level)))
            }
            Coding::Brotli => Kind::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                4096,
                options.brotli_quality.min(11),
                options.brotli_window.clamp(10, 24),
            ))),
            Coding::Identity | Coding::Zstd => return None,
        };
        Some(Encoder(kind))
    }

    /// Takes a piece and gives what is ready; with `flush`, everything that the peer needs to read
    /// all of it.
    ///
    /// # Errors
    ///
    /// The compressor failed, which no input should make it do.
    pub fn push(&mut self, data: &[u8], flush: bool) -> io::Result<Vec<u8>> {
        let writer: &mut dyn Write = match &mut self.0 {
            Kind::Gzip(gzip) => &mut **gzip,
            Kind::Brotli(brotli) => &mut **brotli,
        };
        writer.write_all(data)?;
        if flush {
            writer.flush()?;
        }
        Ok(std::mem::take(match &mut self.0 {
            Kind::Gzip(gzip) => gzip.get_mut(),
            Kind::Brotli(brotli) => brotli.get_mut(),
        }))
    }

    /// Gives the end.
    ///
    /// # Errors
    ///
    /// As for [`push`](Self::push).
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Kind::Gzip(gzip) => gzip.finish(),
            Kind::Brotli(brotli) => Ok(brotli.into_inner()),
        }
    }
}

/// Compresses a whole body.
///
/// # Errors
///
/// The coding is not made here, or the compressor failed.
pub fn compress(body: &[u8], coding: Coding, options: &Options) -> io::Result<Vec<u8>> {
    let mut encoder =
        Encoder::new(coding, options).ok_or(io::Error::from(io::ErrorKind::Unsupported))?;
    let mut all = encoder.push(body, false)?;
    all.extend(encoder.finish()?);
    Ok(all)
}

/// Sends `response`, compressed if it should be and the client likes it. A long one is compressed
/// off the loop.
pub fn send(
    head: &Head<'_>,
    reply: Reply<'_, '_>,
    response: Response,
    options: &Options,
) -> Answered {
    let wish = Wish::of(head, options);
    match response.body.len() > options.offload_bytes && wish.changes(&response) {
        true => reply.offload(move || wish.grant(response)),
        false => reply.respond(wish.grant(response)),
    }
}

/// What a client would like, for a response that is made later or on another thread.
#[derive(Clone, Debug)]
pub struct Wish {
    coding: Coding,
    options: Options,
}

impl Wish {
    /// The wish of a request.
    pub fn of(head: &Head<'_>, options: &Options) -> Self {
        let coding = Coding::choose(head.headers(), &DYNAMIC).unwrap_or(Coding::Identity);
        Wish { coding, options: options.clone() }
    }

    /// The response, compressed if it should be.
    pub fn grant(&self, mut response: Response) -> Response {
        if !varies(&response, &self.options) {
            return response;
        }
        vary(&mut response);
        match self.coding {
            Coding::Identity => response,
            coding => made(response, coding, &self.options),
        }
    }

    fn changes(&self, response: &Response) -> bool {
        self.coding != Coding::Identity && varies(response, &self.options)
    }
}

/// A handler that sends what `answer` returns, compressed by [`send`].
pub fn coded(
    options: Options,
    answer: impl Fn(&Head<'_>) -> Response + 'static,
) -> impl Fn(&Head<'_>, Reply<'_, '_>) -> Answered + 'static {
    move |head, reply| send(head, reply, answer(head), &options)
}

/// True if the client's wishes decide what is sent.
fn varies(response: &Response, options: &Options) -> bool {
    let field = |name: &str| field(response, name);
    let forbids = field("cache-control").is_some_and(|value| {
        negotiate::split(value, b',').any(|part| part.eq_ignore_ascii_case(b"no-transform"))
    });
    matches!(response.status, 200 | 201 | 203 | 400..600)
        && response.body.len() >= options.min_bytes
        && field("content-encoding").is_none()
        && field("content-range").is_none()
        && !forbids
        && field("content-type").is_some_and(is_compressible)
}

fn field<'r>(response: &'r Response, name: &str) -> Option<&'r [u8]> {
    let fields = response.headers.iter();
    fields
        .into_iter()
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| &**value)
}

/// Says that the answer depends on `Accept-Encoding`.
fn vary(response: &mut Response) {
    let known = response.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("vary"));
    match known {
        Some((_, value)) if &**value == b"*" => {}
        Some((_, value)) => value.to_mut().extend_from_slice(b", Accept-Encoding"),
        None => {
            let field = (Cow::Borrowed("Vary"), Cow::Borrowed(&b"Accept-Encoding"[..]));
            response.headers.push(field);
        }
    }
}

/// The response in this coding, or as it was if that does not make it shorter.
fn made(mut response: Response, coding: Coding, options: &Options) -> Response {
    match compress(&response.body, coding, options) {
        Ok(body) if body.len() < response.body.len() => {
            response.body = body.into();
            weaken(&mut response);
            response.with("Content-Encoding", coding.name())
        }
        Ok(_) => response,
        Err(error) => {
            log::error!("a body was sent uncompressed: {error}");
            response
        }
    }
}

fn weaken(response: &mut Response) {
    for (name, value) in &mut response.headers {
        if name.eq_ignore_ascii_case("etag") && value.starts_with(b"\"") {
            value.to_mut().splice(..0, *b"W/");
        }
    }
}

/// The body of a streamed exchange, compressed if the client likes it. Each piece is sent whole, so
/// that whoever reads has it as soon as it is written.
pub struct Stream {
    coding: Coding,
    encoder: Option<Encoder>,
}

impl Stream {
    /// Decides by the request's head, before the exchange begins.
    pub fn of(head: &Head<'_>, content_type: &[u8], options: &Options) -> Self {
        let is_wanted = is_compressible(content_type);
        let coding = match Coding::choose(head.headers(), &DYNAMIC) {
            Some(coding) if is_wanted => coding,
            _ => Coding::Identity,
        };
        Stream { coding, encoder: Encoder::new(coding, options) }
    }

    /// Begins the answer; its fields should not speak of codings.
    pub fn start(&self, writer: &mut Writer<'_, '_>, status: u16, headers: &[(&str, &[u8])]) {
        let mut all = headers.to_vec();
        all.push(("Vary", b"Accept-Encoding"));
        if self.encoder.is_some() {
            all.push(("Content-Encoding", self.coding.name().as_bytes()));
        }
        writer.start(status, &all, None);
    }

    /// Sends a piece.
    pub fn body(&mut self, writer: &mut Writer<'_, '_>, data: &[u8]) {
        let Some(encoder) = &mut self.encoder else { return writer.body(data) };
        match encoder.push(data, true) {
            Ok(ready) => writer.body_shared(ready.into()),
            Err(error) => log::error!("a piece could not be compressed: {error}"),
        }
    }

    /// Ends the answer.
    pub fn finish(&mut self, writer: &mut Writer<'_, '_>) {
        match self.encoder.take().map(Encoder::finish) {
            Some(Ok(end)) => writer.body_shared(end.into()),
            Some(Err(error)) => log::error!("a body could not be ended: {error}"),
            None => {}
        }
        writer.finish();
    }
}

#[cfg(test)]
mod tests;
