//! Our client against our server: cuts, trust, resumption, and what it hears when it goes wrong.

use super::*;

/// One end, and what it saw.
struct End {
    tls: Tls,
    seen: Seen,
    error: Option<TlsError>,
}

impl End {
    fn new(tls: Tls) -> Self {
        End { tls, seen: Seen::default(), error: None }
    }

    fn read(&mut self, wire: &mut [u8], step: usize, out: &mut Vec<u8>) {
        for piece in wire.chunks_mut(step) {
            if let Err(error) = self.tls.read(piece, out, |event| self.seen.note(event)) {
                self.error = Some(error);
            }
        }
    }
}

fn policy(ca: &Ca) -> ClientPolicy {
    ClientPolicy::new(Trust::Roots(vec![Pem::from(ca.pem.as_str())]))
}

fn peer(policy: &ClientPolicy) -> TlsPeer {
    let tls = ClientTls::new(policy).expect("a good policy");
    tls.peer("localhost").expect("a name")
}

/// The two ends after a handshake, with `step` bytes on the wire at a time.
fn meet(peer: &TlsPeer, server: &TlsConfig, step: usize) -> (End, End) {
    let mut client = End::new(peer.connect().expect("a client"));
    let mut server = End::new(server.accept().expect("a server"));
    let mut wire = Vec::new();
    client.tls.start(&mut wire).expect("a first flight");
    assert!(client.tls.is_handshaking());
    pass(&mut client, &mut server, wire, step);
    (client, server)
}

/// Delivers `wire` to the server, and what follows from it.
fn pass(client: &mut End, server: &mut End, mut wire: Vec<u8>, step: usize) {
    while !wire.is_empty() {
        let mut back = Vec::new();
        server.read(&mut wire, step, &mut back);
        wire.clear();
        client.read(&mut back, step, &mut wire);
    }
}

#[test]
fn our_two_sides_understand_each_other_at_every_cut() {
    let ca = Ca::new("test");
    let server = ca.server(TlsPolicy { alpn: vec![b"http/1.1".to_vec()], ..TlsPolicy::default() });
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let policy = ClientPolicy {
            min_version: version,
            max_version: Some(version),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            ..policy(&ca)
        };
        let peer = peer(&policy);
        for step in [1, 2, 7, 100, 1000, 65_536] {
            let (mut client, mut server) = meet(&peer, &server, step);
            for end in [&client, &server] {
                assert!(!end.tls.is_handshaking() && end.error.is_none(), "{:?}", end.error);
                let opened = end.seen.opened.as_ref().expect("open");
                assert_eq!(opened.alpn.as_deref(), Some(&b"http/1.1"[..]));
                assert_eq!(opened.server_name.as_deref(), Some("localhost"));
                assert_eq!(opened.version, format!("TLSv{version}"));
            }
            let (question, answer) = (noise(50_000), noise(70_000));
            let (mut wire, mut back) = (Vec::new(), Vec::new());
            client.tls.write(&question, &mut wire).expect("open");
            client.tls.close(&mut wire);
            server.read(&mut wire, step, &mut back);
            assert!(server.seen.data == question && server.tls.peer_closed());
            wire.clear();
            server.tls.write(&answer, &mut back).expect("it may still answer");
            server.tls.close(&mut back);
            client.read(&mut back, step, &mut wire);
            assert!(client.seen.data.is_empty(), "it has closed, and hears nothing more");
        }
    }
}

fn ca_server(ca: &Ca) -> TlsConfig {
    ca.server(TlsPolicy::default())
}

#[test]
fn answers_come_back_and_an_idle_client_owns_no_buffer() {
    let ca = Ca::new("test");
    let peer = peer(&policy(&ca));
    let (mut client, mut server) = meet(&peer, &ca_server(&ca), 999);
    let (answer, mut wire) = (noise(100_000), Vec::new());
    server.tls.write(&answer, &mut wire).expect("open");
    server.tls.close(&mut wire);
    let mut out = Vec::new();
    client.read(&mut wire, 1234, &mut out);
    assert!(client.seen.data == answer && client.tls.peer_closed() && out.is_empty());
    assert_eq!(client.tls.kept.capacity(), 0);
}

#[test]
fn a_server_that_nobody_vouches_for_is_refused_with_advice() {
    let (ca, other) = (Ca::new("test"), Ca::new("other"));
    let server = ca_server(&ca);
    let (client, server) = meet(&peer(&policy(&other)), &server, 500);
    let fault = client.tls.fault().expect("a fault");
    assert!(fault.contains("not trusted") && fault.contains("name the CA"), "{fault}");
    assert!(client.seen.opened.is_none() && client.error.is_some());
    assert!(server.error.is_some(), "the alert tells it");
    // By its name, too.
    let tls = ClientTls::new(&policy(&ca)).expect("a good policy");
    let (client, _) = meet(&tls.peer("example.org").expect("a name"), &ca_server(&ca), 500);
    let fault = client.tls.fault().expect("a fault");
    assert!(fault.contains("not valid for name") || fault.contains("NotValidForName"), "{fault}");
}

#[test]
fn whoever_trusts_anybody_still_sees_an_honest_handshake() {
    let ca = Ca::new("test");
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let trusting = ClientPolicy {
            min_version: version,
            max_version: Some(version),
            ..ClientPolicy::new(Trust::Anybody)
        };
        let tls = ClientTls::new(&trusting).expect("a good policy");
        let (client, _) = meet(&tls.peer("127.0.0.1").expect("an address"), &ca_server(&ca), 500);
        assert!(client.seen.opened.is_some(), "{:?}", client.error);
    }
}

#[test]
fn sessions_are_resumed_unless_that_is_switched_off() {
    let ca = Ca::new("test");
    let server = ca_server(&ca);
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        for resumption in [true, false] {
            let policy = ClientPolicy {
                min_version: version,
                max_version: Some(version),
                resumption,
                ..policy(&ca)
            };
            let peer = peer(&policy);
            let resumed: Vec<bool> = (0..3)
                .map(|_| meet(&peer, &server, 4000))
                .map(|(client, _)| client.seen.opened.expect("open").resumed)
                .collect();
            assert_eq!(resumed, [false, resumption, resumption], "{version}");
        }
    }
}

#[test]
fn a_server_without_tls_is_named_as_such() {
    let peer = peer(&policy(&Ca::new("test")));
    let mut client = End::new(peer.connect().expect("a client"));
    let mut out = Vec::new();
    client.tls.start(&mut out).expect("a first flight");
    client.read(&mut b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), 99, &mut out);
    assert!(client.tls.fault().is_some_and(|fault| fault.contains("plain HTTP")));
}

#[test]
fn what_cannot_be_had_is_refused_before_anybody_dials() {
    let bad = ClientPolicy::new(Trust::Roots(vec![Pem::from("no certificate")]));
    assert!(ClientTls::new(&bad).is_err());
    let bad = ClientPolicy {
        max_version: Some(TlsVersion::V1_2),
        min_version: TlsVersion::V1_3,
        ..ClientPolicy::new(Trust::Anybody)
    };
    assert!(ClientTls::new(&bad).is_err_and(|error| error.to_string().contains("at least 1.3")));
    let tls = ClientTls::new(&ClientPolicy::new(Trust::Anybody)).expect("a good policy");
    assert!(tls.peer("no host name!").is_err());
}
