//! The engine: cuts, ends, errors, abuse.

use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::{ContentType, ProtocolVersion};

use super::*;

#[test]
fn handshakes_and_data_survive_every_cut() {
    let ca = Ca::new("test");
    let server = ca.server(TlsPolicy::default());
    for version in BOTH {
        let client = Arc::new(ca.client(&[version]));
        for step in [1, 7, 100, 65_536, usize::MAX] {
            let mut pair = Pair::new(&client, &server, step);
            pair.say(b"early words").run();
            assert_eq!(pair.seen.data, b"early words", "{version:?} by {step}");
            assert!(!pair.server.is_handshaking() && pair.computed >= 2);
            pair.computed = 0;
            pair.say(b" and more").run().reply(b"an answer").run();
            assert_eq!(
                (&pair.seen.data[..], &pair.got[..]),
                (&b"early words and more"[..], &b"an answer"[..])
            );
            assert_eq!(pair.computed, 0, "data is no handshake");
            assert_eq!((&pair.server_error.is_none(), &pair.client_error), (&true, &None));
            assert_eq!(pair.server.kept.capacity(), 0, "an idle connection owns no buffer");
        }
    }
}

#[test]
fn both_sides_say_good_bye() {
    let ca = Ca::new("test");
    let server = ca.server(TlsPolicy::default());
    for version in BOTH {
        let client = Arc::new(ca.client(&[version]));
        // The client ends first; we may still answer.
        let mut pair = Pair::new(&client, &server, 50);
        pair.say(b"last words").run();
        assert!(!pair.server.peer_closed());
        pair.client.send_close_notify();
        pair.run();
        assert!(pair.server.peer_closed());
        pair.reply(b"the answer");
        let mut out = Vec::new();
        pair.server.close(&mut out);
        let length = out.len();
        pair.server.close(&mut out);
        assert_eq!(out.len(), length, "once");
        assert!(pair.server.write(b"too late", &mut out).is_err());
        pair.deliver(&out);
        assert_eq!(pair.got, b"the answer");
        assert!(pair.client.process_new_packets().expect("clean").peer_has_closed());
        // We end first: what comes then is dropped, good or bad.
        let mut pair = Pair::new(&client, &server, 50);
        pair.run();
        let mut out = Vec::new();
        pair.server.close(&mut out);
        pair.deliver(&out);
        assert!(pair.client.process_new_packets().expect("clean").peer_has_closed());
        pair.say(b"into the void").run();
        assert!(pair.seen.data.is_empty());
        assert!(pair.server.read(&mut [7; 99], &mut out, |_| panic!("nothing is read")).is_ok());
    }
}

#[test]
fn words_and_good_bye_in_one_piece_with_the_end_of_the_handshake() {
    let ca = Ca::new("test");
    for tickets in [true, false] {
        let server = ca.server(TlsPolicy { tickets, ..TlsPolicy::default() });
        for version in BOTH {
            let mut pair = Pair::new(&Arc::new(ca.client(&[version])), &server, usize::MAX);
            pair.client.writer().write_all(b"everything").expect("taken");
            let mut out = Vec::new();
            let mut wire = Vec::new();
            let mut rounds = 0;
            while !pair.server.peer_closed() {
                rounds += 1;
                assert!(rounds < 10);
                while pair.client.wants_write() {
                    pair.client.write_tls(&mut wire).expect("taken");
                }
                if !pair.client.is_handshaking() {
                    pair.client.send_close_notify();
                    pair.client.write_tls(&mut wire).expect("taken");
                    wire.extend_from_slice(b"and garbage, to be ignored");
                }
                pair.server.read(&mut wire, &mut out, |event| pair.seen.note(event)).expect("good");
                wire.clear();
                pair.deliver(&std::mem::take(&mut out));
            }
            assert_eq!(pair.seen.data, b"everything");
            assert!(pair.seen.opened.is_some());
        }
    }
}

#[test]
fn handshake_messages_may_come_in_many_small_records() {
    let ca = Ca::new("test");
    let client_auth = ClientAuth::Required(Pem::from(ca.pem.as_str()));
    let server = ca.server(TlsPolicy { client_auth, ..TlsPolicy::default() });
    for version in BOTH {
        let mut config = ca.client_with_certificate(version, &ca);
        config.max_fragment_size = Some(40);
        let client = Arc::new(config);
        for step in [1, 64, 1000, usize::MAX] {
            let mut pair = Pair::new(&client, &server, step);
            let words = noise(1000);
            pair.say(&words).run();
            assert_eq!(pair.seen.data, words, "{version:?} by {step}: {:?}", pair.server.fault());
            assert!(pair.opened().client_certificate.is_some());
        }
    }
}

#[test]
fn much_passes_both_ways_unharmed() {
    let ca = Ca::new("test");
    let server = ca.server(TlsPolicy::default());
    let much = noise(1 << 20);
    for version in BOTH {
        let client = Arc::new(ca.client(&[version]));
        for step in [1000, 16_384, 65_536, usize::MAX] {
            let mut pair = Pair::new(&client, &server, step);
            pair.run().say(&much).run().reply(&much);
            assert!(pair.seen.data == much && pair.got == much, "{version:?} by {step}");
            assert_eq!(pair.server.kept.capacity(), 0);
        }
    }
}

#[test]
fn keys_are_renewed_while_data_flows() {
    let ca = Ca::new("test");
    let server = ca.server(TlsPolicy::default());
    let mut pair = Pair::new(&Arc::new(ca.client(&[&version::TLS13])), &server, 40);
    pair.run();
    for _ in 0..5 {
        pair.client.refresh_traffic_keys().expect("TLS 1.3");
        pair.say(b"ping").run().reply(b"pong").run();
    }
    assert_eq!(pair.seen.data, b"ping".repeat(5));
    assert_eq!(pair.got, b"pong".repeat(5));
}

#[test]
fn writing_works_while_half_a_record_waits() {
    let ca = Ca::new("test");
    let server = ca.server(TlsPolicy::default());
    let mut pair = Pair::new(&Arc::new(ca.client(&BOTH)), &server, usize::MAX);
    pair.run().say(b"a request");
    let (mut wire, mut out) = (Vec::new(), Vec::new());
    pair.client.write_tls(&mut wire).expect("taken");
    let (left, right) = wire.split_at_mut(9);
    pair.server.read(left, &mut out, |event| pair.seen.note(event)).expect("good");
    assert!(pair.seen.data.is_empty());
    pair.reply(b"meanwhile");
    pair.server.read(right, &mut out, |event| pair.seen.note(event)).expect("good");
    assert_eq!((&pair.seen.data[..], &pair.got[..]), (&b"a request"[..], &b"meanwhile"[..]));
}

#[test]
fn garbage_is_answered_with_an_alert() {
    let server = Ca::new("test").server(TlsPolicy::default());
    for (garbage, says) in [
        (&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], "plain HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "corrupt"),
        (b"\x16\x03\x01\xff\xff and more", "TooLarge"),
        (b"\x17\x03\x03\x00\x02hi", "unexpected"),
    ] {
        for step in [5, garbage.len()] {
            let mut tls = server.accept().expect("a server");
            let mut out = Vec::new();
            let mut bytes = garbage.to_vec();
            let results: Vec<_> = bytes
                .chunks_mut(step)
                .map(|piece| tls.read(piece, &mut out, |_| panic!("no event")))
                .collect();
            assert!(results.last().is_some_and(Result::is_err));
            assert_eq!(
                (out.len(), out.get(..6)),
                (7, Some(&[21, 3, 3, 0, 2, 2][..])),
                "one fatal alert"
            );
            let fault = tls.fault().expect("a fault");
            assert!(fault.contains(says), "{fault}");
            tls.close(&mut out);
            assert!(tls.write(b"x", &mut out).is_err());
            assert_eq!(out.len(), 7);
        }
    }
}

#[test]
fn a_record_that_was_changed_on_the_way_ends_the_connection() {
    let ca = Ca::new("test");
    let server = ca.server(TlsPolicy::default());
    for version in BOTH {
        let mut pair = Pair::new(&Arc::new(ca.client(&[version])), &server, 100);
        pair.run().say(b"pay 10 to alice");
        let (mut wire, mut out) = (Vec::new(), Vec::new());
        pair.client.write_tls(&mut wire).expect("taken");
        *wire.last_mut().expect("bytes") ^= 1;
        assert!(pair.server.read(&mut wire, &mut out, |_| panic!("nothing is believed")).is_err());
        pair.deliver(&out);
        assert_eq!(
            pair.client_error,
            Some(rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac))
        );
        assert!(!pair.server.peer_closed(), "no clean end");
    }
}

type Encipher = dyn FnMut(ContentType, &[u8]) -> Vec<u8>;

/// A TLS 1.3 peer that enciphers whatever it likes, and the server that it has shaken hands with.
struct Forger {
    encipher: Box<Encipher>,
    server: Tls,
    seen: Seen,
    out: Vec<u8>,
}

impl Forger {
    fn new(client: &Arc<ClientConfig>, server: &TlsConfig) -> Self {
        let mut pair = Pair::new(client, server, 1000);
        pair.run();
        let suite =
            pair.client.negotiated_cipher_suite().and_then(|suite| suite.tls13()).expect("TLS 1.3");
        let (mut sequence, secrets) = pair.client.dangerous_extract_secrets().expect("allowed").tx;
        let rustls::ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            panic!("our suite")
        };
        let mut encrypter = suite.aead_alg.encrypter(key, iv);
        let encipher = move |typ, payload: &[u8]| {
            let payload = OutboundChunks::Single(payload);
            let plain = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
            sequence += 1;
            encrypter.encrypt(plain, sequence - 1).expect("enciphered").encode()
        };
        Forger {
            encipher: Box::new(encipher),
            server: pair.server,
            seen: pair.seen,
            out: Vec::new(),
        }
    }

    fn send(&mut self, typ: ContentType, payload: &[u8]) -> Result<Progress, TlsError> {
        let mut wire = (self.encipher)(typ, payload);
        self.server.read(&mut wire, &mut self.out, |event| self.seen.note(event))
    }
}

#[test]
fn a_peer_that_holds_the_keys_cannot_harm_us_either() {
    use ContentType::{Alert, ApplicationData, Handshake};
    let ca = Ca::new("test");
    let server = ca.server(TlsPolicy::default());
    let mut config = ca.client(&[&version::TLS13]);
    config.enable_secret_extraction = true;
    let client = Arc::new(config);

    // Half a key update, then words of ours, then the rest of it.
    let mut forger = Forger::new(&client, &server);
    forger.send(Handshake, &[24, 0, 0]).expect("half a message");
    forger.server.write(b"meanwhile", &mut forger.out).expect("open");
    forger.send(Handshake, &[1, 0]).expect("the rest");
    forger.server.write(b"and after", &mut forger.out).expect("open");
    assert!(forger.send(ApplicationData, b"by the old keys").is_err());

    // Half a key update, and never the rest: nothing else may come between, and closing works.
    let mut forger = Forger::new(&client, &server);
    forger.send(Handshake, &[24, 0, 0]).expect("half a message");
    forger.server.close(&mut forger.out);
    forger.send(Handshake, &[1, 0]).expect("dropped");
    let mut forger = Forger::new(&client, &server);
    forger.send(Handshake, &[24, 0, 0]).expect("half a message");
    assert!(forger.send(Alert, &[1, 0]).is_err());
    assert!(!forger.server.peer_closed());

    // Records without content, for ever.
    let mut forger = Forger::new(&client, &server);
    assert!((0..100).any(|_| forger.send(ApplicationData, b"").is_err()));

    // A handshake message that grows and grows.
    let mut forger = Forger::new(&client, &server);
    forger.send(Handshake, &[11, 0, 0xff, 0xff]).expect("a beginning");
    assert!((0..5000).any(|_| forger.send(Handshake, &[0; 16]).is_err()));
    assert_eq!(forger.server.kept.capacity(), 0);

    // Anything at all.
    for seed in 0..200_usize {
        let mut forger = Forger::new(&client, &server);
        for (round, bytes) in noise(2000 + seed).split_off(seed).chunks(9).enumerate().take(12) {
            let typ = [Handshake, Alert, ApplicationData][usize::from(bytes[0]) % 3];
            let kind = [24, 1, 11, 4][usize::from(bytes[1]) % 4];
            let payload = [kind, 0, 0, bytes[2] % 8, bytes[3] % 3, bytes[4], bytes[5], bytes[6]];
            let _ = forger.send(typ, &payload[..1 + usize::from(bytes[7]) % 8]);
            let _ = forger.server.write(b"an answer", &mut forger.out);
            if (seed + round) % 11 == 10 {
                forger.server.close(&mut forger.out);
            }
        }
    }
}

#[test]
fn a_handshake_without_end_is_refused() {
    let server = Ca::new("test").server(TlsPolicy::default());
    let mut tls = server.accept().expect("a server");
    let mut out = Vec::new();
    // A client hello that claims 65,535 bytes, in records of ten bytes each.
    let mut record = vec![22, 3, 1, 0, 10, 1, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0];
    let mut fed = 0;
    let error = loop {
        fed += record.len();
        match tls.read(&mut record.clone(), &mut out, |_| panic!("no event")) {
            Ok(_) => record = vec![22, 3, 1, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Err(error) => break error,
        }
    };
    assert!(fed <= 64 * 1024 + 15, "{fed}");
    assert!(error.to_string().contains("65536 bytes of handshake"), "{error}");
    assert_eq!(tls.kept.capacity(), 0);
}

/// Changes, drops, doubles and cuts the client's bytes, in every phase, and wants no panic, an
/// error that stays, and a bound on what is kept.
#[test]
fn changed_wire_bytes_never_panic() {
    let ca = Ca::new("test");
    let policy = TlsPolicy {
        client_auth: ClientAuth::Optional(Pem::from(ca.pem.as_str())),
        ..TlsPolicy::default()
    };
    let server = ca.server(policy);
    let clients = BOTH.map(|version| Arc::new(ca.client_with_certificate(version, &ca)));
    let mut state = 42_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let mut survived = 0;
    for round in 0..400 {
        let mut pair = Pair::new(&clients[round % 2], &server, 1 + random(300));
        let spoiled = random(5);
        let mut out = Vec::new();
        for turn in 0..6 {
            if turn == 2 {
                pair.client.refresh_traffic_keys().unwrap_or_default();
            }
            let _ = pair.client.writer().write_all(b"some words to be enciphered");
            let mut wire = Vec::new();
            while pair.client.wants_write() {
                pair.client.write_tls(&mut wire).expect("taken");
            }
            if turn == spoiled && !wire.is_empty() {
                let at = random(wire.len());
                match random(4) {
                    0 => wire[at] ^= 1 << random(8),
                    1 => drop(wire.drain(at..(at + random(40)).min(wire.len()))),
                    2 => wire.extend_from_within(at..),
                    _ => wire.truncate(at),
                }
            }
            for piece in wire.chunks_mut(pair.step) {
                let before = pair.server_error.is_some();
                match pair.server.read(piece, &mut out, |event| pair.seen.note(event)) {
                    Ok(_) => assert!(!before, "an error stays"),
                    Err(error) => pair.server_error = Some(error),
                }
                assert!(pair.server.kept.len() <= 64 * 1024);
            }
            let _ = pair.server.write(b"an answer", &mut out);
            if random(12) == 0 {
                pair.server.close(&mut out);
            }
            pair.deliver(&std::mem::take(&mut out));
        }
        survived += u32::from(pair.server_error.is_none());
    }
    assert!((1..400).contains(&survived), "{survived} of 400");
}

#[test]
fn a_connection_is_small() {
    let size = std::mem::size_of::<Tls>();
    assert!(size <= 1280, "{size} bytes besides keys and names");
}
