//! The development certificate: made at the first start, kept in the user's data folder.
//!
//! It is self-signed and its own root, so that `curl --cacert` and the like accept it when they are
//! told to, and nobody else ever does: no CA is made whose key could vouch for other hosts. The
//! command uses it where no certificate was given; it is not for servers that strangers use.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};

use crate::connection::tls::{self, Pem};

/// How long a new certificate is valid.
const LIFETIME: Duration = Duration::from_secs(365 * 86_400);
/// How long before its end it is replaced.
const RENEW: Duration = Duration::from_secs(30 * 86_400);
/// Certificate and key in one file, so that no moment exists in which they do not belong together.
const FILE: &str = "development.pem";
/// The certificate alone, for clients that shall trust it.
const PUBLIC: &str = "development.crt";

/// A certificate for this machine's own names.
#[derive(Clone, Debug)]
pub struct DevCert {
    /// For the server.
    pub pair: tls::KeyPair,
    /// What to give to clients that shall trust it; `None` if it could not be stored.
    pub public: Option<PathBuf>,
    /// Its SHA-256 fingerprint.
    pub fingerprint: String,
    /// Why it could not be stored, if so: it is good until the program ends.
    pub warning: Option<String>,
}

/// The stored certificate, or a new one if there is none, or none that lasts.
///
/// # Errors
///
/// No certificate could be made. A folder that cannot be written is a warning, not an error.
pub fn development(folder: Option<&Path>) -> io::Result<DevCert> {
    let Some(folder) = folder else {
        return in_memory("the user has no data folder");
    };
    let (stored, public) = (folder.join(FILE), folder.join(PUBLIC));
    let kept = prepare(folder, &stored).and_then(|()| publish(&stored, &public));
    if let Err(error) = kept {
        return in_memory(&format!("{}: {error}", folder.display()));
    }
    let pem = Pem::File(stored);
    Ok(DevCert {
        fingerprint: pem.fingerprint().map_err(io::Error::other)?,
        pair: tls::KeyPair { chain: pem.clone(), key: pem },
        public: Some(public),
        warning: None,
    })
}

/// Where this program keeps the user's data.
pub fn data_folder() -> Option<PathBuf> {
    let path = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if cfg!(target_os = "macos") {
        path("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        path("XDG_DATA_HOME").or_else(|| path("HOME").map(|home| home.join(".local/share")))
    };
    base.map(|base| base.join("readyloop"))
}

fn in_memory(why: &str) -> io::Result<DevCert> {
    let (certificate, key) = generate()?;
    let chain = Pem::from(certificate.as_str());
    Ok(DevCert {
        fingerprint: chain.fingerprint().map_err(io::Error::other)?,
        pair: tls::KeyPair { chain, key: Pem::from(key.as_str()) },
        public: None,
        warning: Some(format!("the development certificate is not kept: {why}")),
    })
}

/// True if the file holds a certificate that lasts, and its key.
fn usable(file: &Path) -> bool {
    let pem = Pem::File(file.to_path_buf());
    let lasts = pem.ends_within(RENEW).is_ok_and(|ends| !ends);
    let pair = tls::KeyPair { chain: pem.clone(), key: pem };
    lasts && tls::TlsConfig::server(tls::TlsPolicy::default(), vec![pair]).is_ok()
}

/// A new certificate and its key, as PEM.
fn generate() -> io::Result<(String, String)> {
    let fault =
        |error| io::Error::other(format!("the development certificate cannot be made: {error}"));
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let mut params = CertificateParams::new(names).map_err(fault)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, "readyloop development");
    params.distinguished_name = subject;
    // A day back, for clocks that disagree.
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(86_400)).into();
    params.not_after = (now + LIFETIME).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(fault)?;
    let certificate = params.self_signed(&key).map_err(fault)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Sees to it that `stored` is there and usable, in a folder readable by its owner alone.
fn prepare(folder: &Path, stored: &Path) -> io::Result<()> {
    if usable(stored) {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let (certificate, key) = generate()?;
    let draft = draft(stored, &format!("{certificate}{key}"))?;
    // Of two first starts at once, the one that links first wins, and the other takes what it finds.
    let placed = match fs::hard_link(&draft, stored) {
        Err(_) if !usable(stored) => fs::rename(&draft, stored),
        _ => Ok(()),
    };
    let _ = fs::remove_file(&draft);
    placed
}

/// Writes the certificate of `stored` to `public`, unless it is there already.
fn publish(stored: &Path, public: &Path) -> io::Result<()> {
    const END: &str = "-----END CERTIFICATE-----\n";
    let text = fs::read_to_string(stored)?;
    let certificate = text.find(END).and_then(|at| text.get(..at + END.len())).unwrap_or(&text);
    if fs::read_to_string(public).is_ok_and(|old| old == certificate) {
        return Ok(());
    }
    let draft = draft(public, certificate)?;
    fs::rename(&draft, public)
}

/// Writes a file beside `file`, readable by its owner alone, to be moved into its place: so it is
/// there whole or not at all.
fn draft(file: &Path, text: &str) -> io::Result<PathBuf> {
    let draft = file.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut output = options.open(&draft)?;
    output.write_all(text.as_bytes())?;
    output.sync_all()?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir()
                .join(format!("readyloop-devcert-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_second_start_finds_what_the_first_has_stored() {
        let folder = Folder::new("twice");
        let inner = folder.0.join("readyloop");
        let first = development(Some(&inner)).expect("made");
        let second = development(Some(&inner)).expect("found");
        assert_eq!(first.fingerprint, second.fingerprint);
        assert_eq!((first.fingerprint.len(), first.warning), (95, None));
        let public = Pem::File(first.public.expect("stored"));
        assert_eq!(public.fingerprint().ok(), Some(second.fingerprint));
        assert!(tls::TlsConfig::server(tls::TlsPolicy::default(), vec![second.pair]).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn folder_and_key_are_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("modes");
        development(Some(&folder.0)).expect("made");
        let mode =
            |path: &Path| fs::metadata(path).map(|data| data.permissions().mode() & 0o777).ok();
        assert_eq!(mode(&folder.0), Some(0o700));
        assert_eq!(mode(&folder.0.join(FILE)), Some(0o600));
        assert_eq!(
            fs::read_dir(&folder.0).map(Iterator::count).ok(),
            Some(2),
            "no draft stays behind"
        );
    }

    #[test]
    fn a_broken_file_is_replaced() {
        let folder = Folder::new("broken");
        fs::create_dir(&folder.0).expect("a folder");
        fs::write(folder.0.join(FILE), "-----BEGIN CERTIFICATE-----\nAAAA\n").expect("written");
        let made = development(Some(&folder.0)).expect("made");
        assert!(made.warning.is_none() && usable(&folder.0.join(FILE)));
    }

    #[test]
    fn where_nothing_can_be_written_it_stays_in_memory() {
        let folder = Folder::new("file");
        fs::write(&folder.0, "a file where the folder should be").expect("written");
        let made = development(Some(&folder.0.join("readyloop"))).expect("made");
        let _ = fs::remove_file(&folder.0);
        assert!(
            made.warning.is_some_and(|warning| warning.contains("not kept"))
                && made.public.is_none()
        );
        assert!(tls::TlsConfig::server(tls::TlsPolicy::default(), vec![made.pair]).is_ok());
        assert!(development(None).expect("made").warning.is_some());
    }
}
