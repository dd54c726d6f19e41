//! Policy, certificates and reload, as a client sees them.

use super::*;

#[test]
fn what_was_agreed_on_is_told() {
    let ca = Ca::new("test");
    let policy =
        TlsPolicy { alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()], ..TlsPolicy::default() };
    let server = ca.server(policy);
    for (version, says, suite) in [
        (&version::TLS12, "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        (&version::TLS13, "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ] {
        let mut config = ca.client(&[version]);
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let mut pair = Pair::new(&Arc::new(config), &server, 100);
        let opened = pair.run().opened();
        assert_eq!((opened.version, opened.suite), (says, suite), "our order of suites decides");
        assert_eq!(opened.alpn.as_deref(), Some(&b"h2"[..]), "our order of protocols decides");
        assert_eq!(opened.server_name.as_deref(), Some("localhost"));
        assert_eq!((opened.resumed, opened.client_certificate.is_none()), (false, true));
        assert_eq!(pair.server.info().server_name, Some("localhost"));
    }
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    let ca = Ca::new("test");
    let names: [&[&str]; 3] =
        [&["localhost"], &["one.example", "*.many.example"], &["deep.many.example"]];
    let pairs: Vec<KeyPair> = names.iter().map(|names| ca.pair(names)).collect();
    let server = TlsConfig::server(TlsPolicy::default(), pairs.clone()).expect("good");
    let first = |pair: &KeyPair| pair.chain.certificates().expect("PEM").swap_remove(0);
    let client = Arc::new(ca.client(&BOTH));
    for (name, position) in [
        ("localhost", 0),
        ("one.example", 1),
        ("ONE.example", 1),
        ("any.many.example", 1),
        ("deep.many.example", 2),
    ] {
        let mut pair = Pair::named(&client, &server, 1000, name);
        assert_eq!(pair.run().client_error, None, "{name}");
        let given = pair.client.peer_certificates().and_then(|chain| chain.first().cloned());
        assert_eq!(given, Some(first(&pairs[position])), "{name}");
    }
    // A star stands for one label, and strangers get the first certificate, which is not theirs.
    for name in ["a.b.many.example", "many.example", "else.where"] {
        let mut pair = Pair::named(&client, &server, 1000, name);
        assert!(pair.run().client_error.is_some(), "{name}");
        assert!(pair.server_error.is_some(), "the client's alert arrived");
    }
}

#[test]
fn sessions_are_resumed_by_ticket_until_a_reload() {
    let ca = Ca::new("test");
    for version in BOTH {
        let server = ca.server(TlsPolicy::default());
        let mut config = ca.client(&[version]);
        config.resumption = Resumption::in_memory_sessions(8);
        let client = Arc::new(config);
        for resumed in [false, true, true] {
            let mut pair = Pair::new(&client, &server, 100);
            assert_eq!(pair.run().opened().resumed, resumed, "{version:?}");
            assert_eq!(pair.opened().server_name.as_deref(), Some("localhost"));
        }
        server.reload().expect("still good");
        assert!(
            !Pair::new(&client, &server, 100).run().opened().resumed,
            "old tickets are worth nothing"
        );
    }
    let without = ca.server(TlsPolicy { tickets: false, ..TlsPolicy::default() });
    let mut config = ca.client(&BOTH);
    config.resumption = Resumption::in_memory_sessions(8);
    let client = Arc::new(config);
    for _ in 0..2 {
        assert!(!Pair::new(&client, &without, 100).run().opened().resumed);
    }
}

#[test]
fn clients_are_asked_for_certificates_as_the_policy_says() {
    let (ca, stranger) = (Ca::new("ours"), Ca::new("a stranger"));
    let roots = Pem::from(ca.pem.as_str());
    for version in BOTH {
        let none = Arc::new(ca.client(&[version]));
        let ours = Arc::new(ca.client_with_certificate(version, &ca));
        let wrong = Arc::new(ca.client_with_certificate(version, &stranger));
        for (client_auth, outcomes) in [
            (ClientAuth::None, [Some(false), Some(false), Some(false)]),
            (ClientAuth::Optional(roots.clone()), [Some(false), Some(true), None]),
            (ClientAuth::Required(roots.clone()), [None, Some(true), None]),
        ] {
            let server = ca.server(TlsPolicy { client_auth, ..TlsPolicy::default() });
            for (client, outcome) in [&none, &ours, &wrong].into_iter().zip(outcomes) {
                let mut pair = Pair::new(client, &server, 333);
                pair.run();
                let given =
                    pair.seen.opened.as_ref().map(|opened| opened.client_certificate.is_some());
                assert_eq!(given, outcome, "{version:?} {:?}", pair.server.fault());
                if outcome.is_none() {
                    assert!(matches!(pair.client_error, Some(rustls::Error::AlertReceived(_))));
                    assert!(pair.server_error.is_some() && pair.server.is_handshaking());
                }
            }
        }
    }
}

#[test]
fn a_failed_handshake_tells_the_client_why() {
    use rustls::AlertDescription::{HandshakeFailure, NoApplicationProtocol, ProtocolVersion};
    let ca = Ca::new("test");
    let alpn = |name: &[u8]| vec![name.to_vec()];
    let only = |suite: &str| TlsPolicy { suites: vec![suite.into()], ..TlsPolicy::default() };
    let client = |versions: &[_], change: fn(&mut CryptoProvider)| {
        let mut base = provider();
        change(&mut base);
        let builder = ClientConfig::builder_with_provider(Arc::new(base));
        let config = builder.with_protocol_versions(versions).expect("versions");
        config.with_root_certificates(ca.roots()).with_no_client_auth()
    };
    let old = TlsPolicy { max_version: Some(TlsVersion::V1_2), ..TlsPolicy::default() };
    let new = TlsPolicy { min_version: TlsVersion::V1_3, ..TlsPolicy::default() };
    let mut other_protocol = client(&BOTH, |_| {});
    other_protocol.alpn_protocols = alpn(b"irc");
    for (policy, config, alert) in [
        (old, client(&[&version::TLS13], |_| {}), ProtocolVersion),
        (new, client(&[&version::TLS12], |_| {}), ProtocolVersion),
        (
            only("TLS_AES_128_GCM_SHA256"),
            client(&[&version::TLS13], |base| {
                base.cipher_suites
                    .retain(|suite| format!("{:?}", suite.suite()).contains("CHACHA20"));
            }),
            HandshakeFailure,
        ),
        (
            TlsPolicy { groups: vec!["P-384".into()], ..TlsPolicy::default() },
            client(&BOTH, |base| {
                base.kx_groups.retain(|group| format!("{:?}", group.name()) == "X25519")
            }),
            HandshakeFailure,
        ),
        (
            TlsPolicy { alpn: alpn(b"h2"), ..TlsPolicy::default() },
            other_protocol,
            NoApplicationProtocol,
        ),
    ] {
        let mut pair = Pair::new(&Arc::new(config), &ca.server(policy), 100);
        pair.run();
        assert_eq!(
            pair.client_error,
            Some(rustls::Error::AlertReceived(alert)),
            "{:?}",
            pair.server.fault()
        );
        assert!(pair.seen.opened.is_none() && pair.server.fault().is_some());
    }
}

#[test]
fn a_reload_takes_all_or_nothing() {
    let ca = Ca::new("test");
    let folder = std::env::temp_dir().join(format!("readyloop-reload-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (chain_file, key_file) = (folder.join("chain.pem"), folder.join("key.pem"));
    let put = |(chain, key): &(String, String)| {
        std::fs::write(&chain_file, chain).expect("written");
        std::fs::write(&key_file, key).expect("written");
    };
    let (first, second) = (ca.issue(&["localhost"]), ca.issue(&["localhost"]));
    put(&first);
    let pair = KeyPair { chain: chain_file.clone().into(), key: key_file.clone().into() };
    let config = TlsConfig::server(TlsPolicy::default(), vec![pair]).expect("good");
    let client = Arc::new(ca.client(&BOTH));
    let served = |config: &TlsConfig| {
        let mut pair = Pair::new(&client, config, 1000);
        pair.run();
        pair.client
            .peer_certificates()
            .and_then(|chain| chain.first().cloned())
            .expect("a certificate")
    };
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    let mut old = Pair::new(&client, &config, 1000);
    old.run();

    put(&(second.0.clone(), first.1.clone()));
    let error = config.reload().expect_err("they do not belong together").to_string();
    assert!(error.contains("chain.pem") && error.contains("key.pem"), "{error}");
    assert_eq!(served(&config), der(&first.0), "the old one stays");

    put(&second);
    config.clone().reload().expect("good");
    assert_eq!(served(&config), der(&second.0), "every clone has the new one");
    old.say(b"still here").run();
    assert_eq!(old.seen.data, b"still here", "what exists goes on");

    let bad = TlsPolicy { suites: vec!["RC4-SHA".into()], ..TlsPolicy::default() };
    assert!(config.replace(bad, Vec::new()).is_err());
    config.reload().expect("a refused replacement is forgotten");
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn bad_certificates_are_refused_by_name_and_reason() {
    let ca = Ca::new("test");
    let ((chain, key), (_, other)) = (ca.issue(&["localhost"]), ca.issue(&["localhost"]));
    let folder = std::env::temp_dir().join(format!("readyloop-certs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("written");
        Pem::File(folder.join(name))
    };
    let (chain_file, key_file) = (file("chain.pem", &chain), file("key.pem", &key));
    let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    for (chain, key, says) in [
        (Pem::File(folder.join("none.pem")), key_file.clone(), ["none.pem", "cannot be read"]),
        (chain_file.clone(), Pem::File(folder.join("none.pem")), ["none.pem", "cannot be read"]),
        (file("empty.pem", ""), key_file.clone(), ["empty.pem", "no certificate"]),
        (key_file.clone(), key_file.clone(), ["key.pem", "it holds a private key"]),
        (chain_file.clone(), chain_file.clone(), ["chain.pem", "it holds a certificate"]),
        (chain_file.clone(), file("enc.pem", &encrypted), ["enc.pem", "is encrypted"]),
        (chain_file.clone(), file("other.pem", &other), ["other.pem", "does not belong"]),
        (
            file("cut.pem", chain.get(..200).expect("long")),
            key_file.clone(),
            ["cut.pem", "not good PEM"],
        ),
        (
            file("der.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            key_file.clone(),
            ["der.pem", "not usable"],
        ),
    ] {
        let error =
            TlsConfig::server(TlsPolicy::default(), vec![KeyPair { chain, key }]).expect_err("bad");
        let error = error.to_string();
        assert!(says.iter().all(|says| error.contains(says)), "{error}");
    }
    let roots = file("roots.pem", "");
    let policy = TlsPolicy { client_auth: ClientAuth::Required(roots), ..TlsPolicy::default() };
    let error = TlsConfig::server(policy, vec![KeyPair { chain: chain_file, key: key_file }])
        .expect_err("bad");
    assert!(error.to_string().contains("roots.pem"), "{error}");
    assert!(TlsConfig::server(TlsPolicy::default(), Vec::new()).is_err());
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn certificates_out_of_their_time_are_used_with_a_warning() {
    let ca = Ca::new("test");
    for (from, until, says) in
        [(2001, 2002, Some("expired")), (4000, 4001, Some("not valid yet")), (2001, 4001, None)]
    {
        let (chain, key) = ca.issue_with(&["localhost"], |params| {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
        });
        let chain = Pem::from(chain.as_str());
        let pair = KeyPair { chain: chain.clone(), key: Pem::from(key.as_str()) };
        let warnings =
            TlsConfig::server(TlsPolicy::default(), vec![pair]).expect("usable").warnings();
        assert_eq!(warnings.len(), usize::from(says.is_some()), "{warnings:?}");
        assert!(
            warnings.iter().all(|warning| says.is_some_and(|says| warning.contains(says))),
            "{warnings:?}"
        );
        assert_eq!(chain.ends_within(std::time::Duration::ZERO), Ok(until == 2002));
    }
}

#[test]
fn nothing_secret_is_shown() {
    let ca = Ca::new("test");
    let server = ca.server(TlsPolicy::default());
    assert!(!format!("{server:?}").contains("BEGIN"), "no PEM text in debug output");
    assert!(format!("{:?}", server.accept()).contains("Tls"));
}
