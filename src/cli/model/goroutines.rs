//! Runs the model `go`: a small server of ours in Go, built once where Go is installed.
//!
//! Its source is part of this program. What was built is kept in the user's cache, under a name that
//! changes with the source; the server then takes this process's place, with its CPUs and its limits.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Setup, looping};
use crate::cli::failure::{Failure, Kind as Fault};
use crate::cli::row::Kind;

/// The server's files.
const SOURCES: [(&str, &str); 6] = [
    ("go.mod", include_str!("../../../tools/models/goroutines/go.mod")),
    ("main.go", include_str!("../../../tools/models/goroutines/main.go")),
    ("web.go", include_str!("../../../tools/models/goroutines/web.go")),
    ("control.go", include_str!("../../../tools/models/goroutines/control.go")),
    ("clock_linux.go", include_str!("../../../tools/models/goroutines/clock_linux.go")),
    ("clock_other.go", include_str!("../../../tools/models/goroutines/clock_other.go")),
];

/// Builds the server if it is not there yet, and becomes it. Returns only if that fails.
pub(super) fn become_server(setup: &Setup) -> Failure {
    match command(setup) {
        Ok(mut command) => Failure::from(command.exec()),
        Err(failure) => failure,
    }
}

fn command(setup: &Setup) -> Result<Command, Failure> {
    let mut command = Command::new(server()?);
    let mut named = Vec::new();
    for post in &setup.posts {
        let name = post.kind.name();
        if named.contains(&name) {
            let what = format!("--model go serves {name} at one address only");
            return Err(Failure::new(Fault::Usage, what));
        }
        named.push(name);
        command.arg(format!("-{name}={}", post.how.address));
        // The same for all rows, but for what only rows can have whose clients begin.
        command.arg(format!("-nodelay={}", post.how.nodelay));
        command
            .arg(format!("-keep-alive={}s", post.how.keep_alive.map_or(0, |time| time.as_secs())));
        if post.how.peer_speaks_first {
            command.arg("-defer-accept");
        }
    }
    if setup.posts.iter().any(|post| post.kind == Kind::Https) {
        let files = setup.secure.as_ref().and_then(|secure| secure.files.as_ref());
        let Some((chain, key)) = files else {
            let what = "--model go serves https only with a certificate in a file";
            return Err(Failure::new(Fault::Tls, what).advise("leave it out:    --https off"));
        };
        command.arg("-cert").arg(chain).arg("-key").arg(key);
    }
    command.arg(format!("-idle={}ms", setup.limits.idle.as_millis()));
    command.arg(format!("-drain={}ms", setup.drain.as_millis()));
    if setup.control {
        command.arg("-control");
    }
    command.env("GOMAXPROCS", looping::cpus().to_string());
    Ok(command)
}

/// The built server's path.
fn server() -> Result<PathBuf, Failure> {
    let folder = cache().join(format!("goroutines-{:016x}", fingerprint()));
    let server = folder.join("server");
    if !server.exists() {
        build(&folder, &server)?;
    }
    Ok(server)
}

fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    SOURCES.hash(&mut hasher);
    hasher.finish()
}

/// Where the user's programs keep what they can make again. Nobody else's folder: what is in it is
/// run.
fn cache() -> PathBuf {
    let path = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    path("XDG_CACHE_HOME")
        .or_else(|| path("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(|| env::temp_dir().join(format!("cache-{}", std::process::id())))
        .join("readyloop")
}

fn build(folder: &Path, server: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    for (name, text) in SOURCES {
        fs::write(folder.join(name), text)?;
    }
    // Built beside and moved: it is there whole or not at all, whoever else builds it now.
    let draft = folder.join(format!("draft-{}", std::process::id()));
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&draft).arg(".").current_dir(folder);
    go.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod").env("GOPROXY", "off");
    let output = go.stdin(Stdio::null()).output().map_err(|error| absent(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let what = format!("--model go cannot be built: {}", said.trim());
        return Err(Failure::new(Fault::Runtime, what));
    }
    Ok(fs::rename(&draft, server)?)
}

fn absent(error: &io::Error) -> Failure {
    let what = match error.kind() {
        ErrorKind::NotFound => "--model go needs Go, and there is no `go` in the PATH".into(),
        _ => format!("--model go: `go` cannot be run: {error}"),
    };
    Failure::new(Fault::Runtime, what).advise("Go 1.19 or later, from https://go.dev/dl/")
}
