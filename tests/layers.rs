//! The structure of the library, held by a test: who may import whom, and where clocks, threads,
//! sockets and the names of mio and rustls may appear.
//!
//! A new edge between layers fails here. Either the code belongs somewhere else, or the picture in
//! `src/lib.rs` has changed: then change it there and here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the ground up: each with the ones it may use besides itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("proto", &["base"]),
    ("session", &["base", "proto"]),
    ("connection", &["base", "session"]),
    ("socket", &["base", "session"]),
    ("reactor", &["base", "session", "connection", "socket"]),
    ("sim", &["base", "proto", "session", "connection", "reactor"]),
    ("web", &["base", "proto", "session"]),
    ("app", &["base", "proto", "session", "web", "manual"]),
    // Watching: it sees facts, and shows them on the web.
    ("scope", &["base", "proto", "session", "web"]),
    // Other ways to wait for the same connections.
    ("blocking", &["base", "session", "connection", "socket"]),
    // What is measured, as plain data; a load, which is a client; and the comparison of models.
    ("measure", &[]),
    // Documentation only.
    ("manual", &[]),
    ("load", &["base", "proto", "session", "connection", "socket", "reactor", "measure"]),
    ("compare", &["measure"]),
    (
        "cli",
        &[
            "base",
            "proto",
            "session",
            "connection",
            "socket",
            "reactor",
            "app",
            "web",
            "blocking",
            "measure",
            "load",
            "compare",
            "scope",
            "manual",
        ],
    ),
];

/// The files at the root of `src` that every layer may use.
const BASE: &[&str] = &["buf", "error", "limits", "probe", "time", "token"];

/// Rooms, and what they do not know although their layer would let them.
const APART: &[(&str, &[&str])] = &[
    ("proto/h1", &["proto::ws"]),
    ("session/http", &["proto::ws", "session::ws", "session::raw"]),
    ("session/raw.rs", &["session::http", "session::ws"]),
    ("web", &["proto::ws", "session::ws"]),
    // Services know nothing of each other; what shows them all is given them by the command.
    ("app/chat", &["crate::app", "web::files"]),
    ("app/book", &["crate::app", "session::ws"]),
    ("app/notes", &["crate::app", "session::ws"]),
    ("app/topics", &["crate::app", "web::files"]),
    ("app/site", &["app::book", "app::chat", "app::notes", "app::topics", "app::ws_echo"]),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<_> = fs::read_dir(folder)
            .expect("src can be read")
            .map(|entry| entry.expect("an entry can be read").path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("source is text");
                found.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.iter_mut().for_each(|(path, _)| {
        *path = path.strip_prefix(&root).expect("walked from the root").to_path_buf();
    });
    found
}

/// The layer of a module named right after `crate::`, or of a file below `src`.
fn layer(name: &str) -> &str {
    if BASE.contains(&name) { "base" } else { name }
}

/// Unit tests beside their module may reach further than it.
fn is_test(path: &Path) -> bool {
    path.iter().any(|part| ["tests", "tests.rs", "testing.rs"].iter().any(|name| part == *name))
}

/// The code of a file: without comments, and without its unit tests, which may reach further.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line))
}

fn words_after<'t>(line: &'t str, mark: &str) -> Vec<&'t str> {
    line.match_indices(mark)
        .flat_map(|(at, _)| {
            let rest = &line[at + mark.len()..];
            let list = rest
                .strip_prefix('{')
                .map_or(rest, |inner| inner.split('}').next().unwrap_or(inner));
            let several = rest.starts_with('{');
            list.split(',').take(if several { usize::MAX } else { 1 }).map(|item| {
                let item = item.trim();
                item.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
            })
        })
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn layers_import_downwards_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test(path)) {
        let top = path.iter().next().and_then(|part| part.to_str()).unwrap_or("");
        let own = layer(top.trim_end_matches(".rs"));
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == own) else {
            assert!(["lib", "main"].contains(&own), "{own}: a layer without a rule");
            continue;
        };
        for (number, line) in code(&text) {
            for used in words_after(line, "crate::").into_iter().map(layer) {
                // `crate::Limits` and the like are the root's names for things of the base.
                let root_name = used.starts_with(|c: char| c.is_uppercase());
                if used != own && !root_name && !allowed.contains(&used) {
                    wrong.push(format!("{}:{number}: {own} uses {used}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn rooms_of_one_layer_stay_apart() {
    let mut wrong = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test(path)) {
        for (_, strangers) in APART.iter().filter(|(room, _)| path.starts_with(room)) {
            for (number, line) in code(&text) {
                for stranger in strangers.iter().filter(|stranger| line.contains(**stranger)) {
                    wrong.push(format!("{}:{number}: {stranger}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A word that may appear only in files whose path starts with one of the given.
fn only_in(word: &str, homes: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = path.to_string_lossy();
        if homes.iter().any(|home| name.starts_with(home)) {
            continue;
        }
        for (number, line) in code(&text) {
            let starts =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if line.match_indices(word).any(|(at, _)| starts(at)) {
                wrong.push(format!("{name}:{number}: {word}"));
            }
        }
    }
    wrong
}

#[test]
fn libraries_clocks_threads_and_sockets_stay_in_their_rooms() {
    let rules: &[(&str, &[&str])] = &[
        ("mio::", &["reactor/edge.rs", "reactor/sockets.rs"]),
        ("rustls::", &["connection/tls", "cli/"]),
        ("nix::", &["socket/", "reactor/", "blocking/", "cli/"]),
        ("libc::", &["socket/connect.rs", "socket/sockopt.rs", "reactor/accept.rs"]),
        ("httparse::", &["proto/"]),
        ("rustix::", &["web/files/"]),
        ("redb::", &["app/notes/store.rs"]),
        ("flate2::", &["proto/ws/deflate.rs", "web/coding/"]),
        ("brotli::", &["web/coding/"]),
        ("matchit::", &["web/router/"]),
        ("pulldown_cmark::", &["app/book/"]),
        ("httpdate::", &["web/date.rs"]),
        ("serde_json::", &["web/", "app/", "scope/", "cli/"]),
        (
            "fs::",
            &[
                "app/notes/",
                "blocking/",
                "buf/out.rs",
                "cli/",
                // A made-up report is written to a file, to be looked at.
                "compare/tests/",
                "connection/tls/",
                "reactor/sockets.rs",
                "reactor/system.rs",
                "socket/bind.rs",
                "web/files/",
            ],
        ),
        ("Instant::now", &["reactor/system.rs", "blocking/", "cli/"]),
        ("SystemTime::now", &["reactor/system.rs", "blocking/", "cli/"]),
        ("thread::", &["reactor/offload.rs", "blocking/", "cli/"]),
        ("thread_local!", &[]),
        ("static mut", &[]),
        ("unsafe ", &["socket/sockopt.rs", "lib.rs"]),
        ("TcpStream", &["reactor/sockets.rs", "blocking/tests.rs", "cli/"]),
        ("UdpSocket", &["reactor/sockets.rs", "reactor/datagrams.rs", "cli/"]),
        ("println!", &["cli/", "main.rs"]),
        ("eprintln!", &["cli/", "main.rs"]),
        ("todo!", &[]),
        ("unimplemented!", &[]),
    ];
    let wrong: Vec<String> = rules.iter().flat_map(|(word, homes)| only_in(word, homes)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn nothing_is_written_that_panics() {
    let mut wrong = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test(path)) {
        for (number, line) in code(&text) {
            if ["panic!", ".unwrap()", ".expect(", "unreachable!"]
                .iter()
                .any(|word| line.contains(word))
            {
                wrong.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_are_small_and_say_what_they_are() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{}: no header", path.display());
        let lines = text.lines().count();
        assert!(lines <= 600, "{}: {lines} lines; look for the second noun in it", path.display());
    }
}

#[test]
fn the_default_tree_has_no_async_runtime() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let lock = fs::read_to_string(lock).expect("Cargo.lock is committed");
    let names: BTreeSet<&str> = lock
        .lines()
        .filter_map(|line| line.strip_prefix("name = \""))
        .map(|name| name.trim_end_matches('"'))
        .collect();
    for runtime in ["tokio", "async-std", "smol", "futures-executor"] {
        assert!(!names.contains(runtime), "{runtime} is in the tree");
    }
}
