//! What the tests share: a CA, and rustls' own buffered client against our engine, in memory.

use std::io::{Read, Write};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{RootCertStore, SupportedProtocolVersion, version};

use super::*;

mod client;
mod config;
mod engine;

const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// A CA for tests.
struct Ca {
    issuer: Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Ca {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Ca { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `names`, as PEM with its key.
    fn issue(&self, names: &[&str]) -> (String, String) {
        self.issue_with(names, |_| {})
    }

    fn issue_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let mut params = CertificateParams::new(names).expect("good names");
        change(&mut params);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    fn pair(&self, names: &[&str]) -> KeyPair {
        let (chain, key) = self.issue(names);
        KeyPair { chain: Pem::from(chain.as_str()), key: Pem::from(key.as_str()) }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("PEM"))
            .expect("a root");
        roots
    }

    fn server(&self, policy: TlsPolicy) -> TlsConfig {
        TlsConfig::server(policy, vec![self.pair(&["localhost"])]).expect("a good configuration")
    }

    fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(self.roots())
            .with_no_client_auth()
    }

    fn client_with_certificate(
        &self,
        version: &'static SupportedProtocolVersion,
        from: &Ca,
    ) -> ClientConfig {
        let (chain, key) = from.issue_with(&["client"], |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        });
        ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[version])
            .expect("versions")
            .with_root_certificates(self.roots())
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(chain.as_bytes()).expect("PEM")],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM"),
            )
            .expect("a client certificate")
    }
}

/// What the server's call-back saw.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    opened: Option<Opened>,
    data: Vec<u8>,
}

#[derive(Debug, PartialEq)]
struct Opened {
    alpn: Option<Vec<u8>>,
    server_name: Option<String>,
    version: &'static str,
    suite: &'static str,
    resumed: bool,
    client_certificate: Option<Vec<u8>>,
}

impl Seen {
    fn note(&mut self, event: TlsEvent<'_>) {
        match event {
            TlsEvent::Open(info) => {
                assert!(
                    self.opened.is_none() && self.data.is_empty(),
                    "it opens once, before data"
                );
                self.opened = Some(Opened {
                    alpn: info.alpn.map(<[u8]>::to_vec),
                    server_name: info.server_name.map(str::to_owned),
                    version: info.version,
                    suite: info.suite,
                    resumed: info.resumed,
                    client_certificate: info.client_certificate.map(<[u8]>::to_vec),
                });
            }
            TlsEvent::Data(bytes) => {
                assert!(self.opened.is_some(), "no data before it opens");
                self.data.extend_from_slice(bytes);
            }
        }
    }
}

/// A client and a server with a wire between them that delivers `step` bytes at a time.
struct Pair {
    client: ClientConnection,
    server: Tls,
    seen: Seen,
    /// What the client has got.
    got: Vec<u8>,
    client_error: Option<rustls::Error>,
    server_error: Option<TlsError>,
    computed: u32,
    step: usize,
}

impl Pair {
    fn new(client: &Arc<ClientConfig>, server: &TlsConfig, step: usize) -> Self {
        Pair::named(client, server, step, "localhost")
    }

    fn named(
        client: &Arc<ClientConfig>,
        server: &TlsConfig,
        step: usize,
        name: &'static str,
    ) -> Self {
        let name = ServerName::try_from(name).expect("a name");
        let mut client = ClientConnection::new(Arc::clone(client), name).expect("a client");
        client.set_buffer_limit(None);
        Pair {
            client,
            server: server.accept().expect("a server"),
            seen: Seen::default(),
            got: Vec::new(),
            client_error: None,
            server_error: None,
            computed: 0,
            step,
        }
    }

    /// Delivers everything until nobody has anything to say.
    fn run(&mut self) -> &mut Self {
        let mut out = Vec::new();
        loop {
            let mut wire = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut wire).expect("a vector takes it");
            }
            for piece in wire.chunks_mut(self.step) {
                match self.server.read(piece, &mut out, |event| self.seen.note(event)) {
                    Ok(progress) => self.computed += u32::from(progress.computed),
                    Err(error) => self.server_error = Some(error),
                }
            }
            if wire.is_empty() && out.is_empty() {
                return self;
            }
            self.deliver(&std::mem::take(&mut out));
        }
    }

    /// Gives the client `bytes` from the server.
    fn deliver(&mut self, bytes: &[u8]) {
        for mut piece in bytes.chunks(self.step) {
            while !piece.is_empty() {
                if self.client.read_tls(&mut piece).expect("memory can be read") == 0 {
                    return;
                }
                if let Err(error) = self.client.process_new_packets() {
                    self.client_error.get_or_insert(error);
                }
                let mut plain = Vec::new();
                let _ = self.client.reader().read_to_end(&mut plain);
                self.got.extend(plain);
            }
        }
    }

    fn say(&mut self, bytes: &[u8]) -> &mut Self {
        self.client.writer().write_all(bytes).expect("the client takes it");
        self
    }

    fn reply(&mut self, bytes: &[u8]) -> &mut Self {
        let mut out = Vec::new();
        self.server.write(bytes, &mut out).expect("open");
        self.deliver(&out);
        self
    }

    fn opened(&self) -> &Opened {
        self.seen.opened.as_ref().expect("open")
    }
}

/// Bytes that differ from each other everywhere.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(count)
    .collect()
}
