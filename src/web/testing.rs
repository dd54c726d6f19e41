//! One request and its answer, for the tests of this layer.

use std::rc::Rc;

use crate::Limits;
use crate::buf::Out;
use crate::connection::{Connection, Io};
use crate::session::Env;
use crate::session::datagram::Peer;
use crate::session::http::{Handler, Http};
use crate::token::Token;

/// A connection to a handler, whose peer takes everything at once.
pub(crate) struct Visit {
    connection: Connection,
    env: Env,
    out: Out,
}

impl Visit {
    pub(crate) fn new(handler: &Rc<impl Handler>) -> Self {
        let (mut env, mut out) = (Env::new(Limits::default()), Out::default());
        let mut io = Io { out: &mut out, env: &mut env, token: Token::new(0, 1), unsent: 0 };
        let connection = Connection::plain(&Http::shared(handler), &Peer::Unnamed, &mut io);
        Visit { connection, env, out }
    }

    /// Sends bytes, which come at once, and takes what has been answered.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> String {
        let mut io =
            Io { out: &mut self.out, env: &mut self.env, token: Token::new(0, 1), unsent: 0 };
        self.connection.feed(&mut bytes.to_vec(), &mut io);
        String::from_utf8_lossy(&self.out.take()).into_owned()
    }
}

/// What a handler answers to one request with these field lines, and this body if there is one.
pub(crate) fn ask(
    handler: &Rc<impl Handler>,
    method: &str,
    target: &str,
    fields: &str,
    body: impl AsRef<[u8]>,
) -> String {
    let body = body.as_ref();
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{fields}{length}\r\n");
    Visit::new(handler).say(&[head.as_bytes(), body].concat())
}

/// The value of an answer's first field of a name.
pub(crate) fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    fields(answer, name).first().copied()
}

/// The values of all its fields of a name.
pub(crate) fn fields<'a>(answer: &'a str, name: &str) -> Vec<&'a str> {
    answer.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

/// Its status.
pub(crate) fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("")
}

/// Its body.
pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
