//! TLS as a connection sees it, without a socket: a client in memory against a whole connection.

use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use readyloop::buf::Out;
use readyloop::connection::tls::{KeyPair, TlsConfig, TlsPolicy};
use readyloop::connection::{Connection, Io, Life};
use readyloop::session::datagram::Peer;
use readyloop::session::http::{Answered, Http, Reply, ReplyTo, Response};
use readyloop::session::{Env, Service};
use readyloop::{Head, Limits, Token};
use rustls::pki_types::ServerName;

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as cryptography;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as cryptography;

struct Pair {
    client: rustls::ClientConnection,
    connection: Connection,
    env: Env,
    heard: Vec<u8>,
}

const TOKEN: Token = Token::new(0, 1);

impl Pair {
    fn new(service: Rc<dyn Service>) -> Self {
        let made =
            rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
        let pair = KeyPair {
            chain: made.cert.pem().as_str().into(),
            key: made.signing_key.serialize_pem().as_str().into(),
        };
        let config = TlsConfig::server(TlsPolicy::default(), vec![pair]).expect("a configuration");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let provider = Arc::new(cryptography::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let client = rustls::ClientConnection::new(Arc::new(client), name).expect("a client");
        let env = Env::new(Limits::default());
        let tls = config.accept().expect("a connection");
        let connection = Connection::secure(tls, service, Peer::Unnamed, &env);
        Pair { client, connection, env, heard: Vec::new() }
    }

    /// Calls the connection and hands what it says to the client.
    fn call(&mut self, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let mut out = Out::default();
        f(
            &mut self.connection,
            &mut Io { out: &mut out, env: &mut self.env, token: TOKEN, unsent: 0 },
        );
        let out = out.take();
        let mut wire = &out[..];
        while !wire.is_empty() {
            self.client.read_tls(&mut wire).expect("a slice can be read");
            self.client.process_new_packets().expect("well-formed records");
            // An end is reported as an error of the reader; what came before it is in `heard`.
            let _ = self.client.reader().read_to_end(&mut self.heard);
        }
    }

    /// Hands what the client has to say to the connection, until both are silent.
    fn talk(&mut self) {
        while self.client.wants_write() {
            let mut wire = Vec::new();
            self.client.write_tls(&mut wire).expect("a vector takes everything");
            self.call(|connection, io| connection.feed(&mut wire, io));
        }
    }

    fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.heard)).expect("text")
    }
}

#[test]
fn requests_before_the_closing_alert_are_all_answered() {
    let promised = Rc::new(std::cell::Cell::new(None::<ReplyTo>));
    let note = Rc::clone(&promised);
    let mut pair = Pair::new(Rc::new(Http::new(
        move |request: &Head<'_>, reply: Reply<'_, '_>| -> Answered {
            if request.path() == "/later" {
                let (to, answered) = reply.later();
                note.set(Some(to));
                return answered;
            }
            reply.text(200, "second")
        },
    )));
    pair.talk();
    assert_eq!(pair.connection.life(), Life::Open);
    let requests = b"GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    pair.client.writer().write_all(requests).expect("room");
    pair.client.send_close_notify();
    pair.talk();
    assert_eq!((pair.said().as_str(), pair.connection.life()), ("", Life::Paused));
    let to = promised.take().expect("promised");
    pair.call(|connection, io| connection.message(to.message(Response::text(200, "first")), io));
    let said = pair.said();
    assert!(said.contains("first") && said.ends_with("second"), "{said}");
    assert_eq!(pair.connection.life(), Life::Flushing);
}
