//! Files of a folder, served as a web server does: with types, validators, conditions, ranges,
//! codings, an index and perhaps a listing.
//!
//! A router's fallback calls [`Files::answer`]. What is in memory is answered at once, without a
//! system call but the write; everything that may wait for a disk happens off the loop.
//!
//! | | |
//! |---|---|
//! | `path` | the request's path as a name; refuses every way out |
//! | `root` | the folder; opens a name beneath it and nothing else |
//! | `load`, `kind`, `stamp`, `listing`, `resident` | what the off-load threads do |
//! | `entry` | a file with its fields and its codings |
//! | `cache` | the entries that are kept, and how long they are trusted |
//! | `plan` | what to answer, by conditions, ranges and codings |
//! | `fetch`, `waiting`, `sending` | answers that wait for a job, and those that are sent piece by piece |
//!
//! **Validators.** The `ETag` is made of the time of modification, the size and the inode, so it is
//! strong as long as nobody rewrites a file in place, with as many bytes, and sets its time back.
//! What was changed within the last 50 ms is sent but not kept, because kernels do not tell changes
//! apart that follow each other faster than their clock ticks.
//!
//! **Codings.** A sibling `page.html.br`, `.zst` or `.gz` that is not older than `page.html` is sent
//! to whoever prefers it, with its own validators. Short files of compressible types are compressed
//! here, once for each coding, and those have weak tags. Parts are always cut from the file itself.
//!
//! **Refused** with 404, whether they exist or not: hidden names (but `/.well-known`), what is
//! neither file nor folder, links that lead out (see [`Symlinks`]), names with `\`, control
//! characters, encoded slashes or broken UTF-8.

mod cache;
mod entry;
mod fetch;
mod kind;
mod listing;
mod load;
mod path;
mod plan;
mod resident;
mod root;
mod sending;
mod stamp;
#[cfg(test)]
mod testing;
mod waiting;

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::proto::h1::Head;
use crate::session::http::{Answered, Reply};
use crate::web::coding;
use cache::{Bounds, Cache, Check, Standing};
use fetch::{Fetch, Kept, Task};
use path::{Name, Refused};
use plan::{Asked, Plan};
use root::Root;
pub use root::Symlinks;
use sending::Sending;
use waiting::Waiting;

/// How files are served.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which symbolic links are followed. Those within the folder.
    pub symlinks: Symlinks,
    /// Folders without an `index.html` are listed. No.
    pub listing: bool,
    /// How long clients may use what they got without asking: `Cache-Control: max-age`. Unsaid.
    pub max_age: Option<Duration>,
    /// Files that are kept, at most. 4,096.
    pub entries: usize,
    /// Bytes that they may take, at most. 64 MiB.
    pub bytes: usize,
    /// Files up to so many bytes are kept in memory; of longer ones the descriptor. 256 KiB.
    pub file_bytes: usize,
    /// Descriptors that are kept, at most. 64.
    pub descriptors: usize,
    /// For how long a file that is kept is taken to be unchanged. For as long again it is served
    /// while it is being checked. 1 s.
    pub fresh: Duration,
    /// How files without compressed siblings are compressed; `None` for not at all.
    pub compress: Option<coding::Options>,
}

impl Default for Options {
    fn default() -> Self {
        let compress = coding::Options { gzip_level: 6, brotli_quality: 6, ..Default::default() };
        Options {
            symlinks: Symlinks::default(),
            listing: false,
            max_age: None,
            entries: 4096,
            bytes: 64 * 1024 * 1024,
            file_bytes: 256 * 1024,
            descriptors: 64,
            fresh: Duration::from_secs(1),
            compress: Some(compress),
        }
    }
}

/// A folder that is served.
pub struct Files {
    root: Arc<Root>,
    options: Arc<Options>,
    cache: RefCell<Cache>,
    waiting: RefCell<Waiting>,
    cache_control: Option<String>,
}

const TEXT: (&str, &[u8]) = ("Content-Type", b"text/plain; charset=utf-8");
const ALLOW: (&str, &[u8]) = ("Allow", b"GET, HEAD, OPTIONS");

impl Files {
    /// Serves the folder at `path`.
    ///
    /// # Errors
    ///
    /// It is no folder, or may not be read.
    pub fn new(path: &Path, options: Options) -> io::Result<Rc<Self>> {
        let root = Arc::new(Root::open(path, options.symlinks)?);
        let cache = RefCell::new(Cache::new(Bounds {
            entries: options.entries,
            bytes: options.bytes,
            descriptors: options.descriptors,
        }));
        let cache_control = options.max_age.map(|age| format!("max-age={}", age.as_secs()));
        Ok(Rc::new(Files {
            root,
            options: Arc::new(options),
            cache,
            waiting: RefCell::default(),
            cache_control,
        }))
    }

    /// Answers a request with the file that its path names.
    pub fn answer(self: &Rc<Self>, head: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        self.answer_at(head.path(), head, reply)
    }

    /// Answers with the file that `path` names, which is what is left of the request's path, with its
    /// first slash, where the folder is not served from the top.
    pub fn answer_at(
        self: &Rc<Self>,
        path: &str,
        head: &Head<'_>,
        reply: Reply<'_, '_>,
    ) -> Answered {
        match head.method {
            "GET" | "HEAD" => {}
            "OPTIONS" => return reply.send(204, &[ALLOW], b""),
            _ => return reply.send(405, &[ALLOW, TEXT], b"files are read with GET or HEAD\n"),
        }
        if path.contains('%') {
            // Else one file could fill the cache under all its spellings.
            return match Name::of(path) {
                Ok(name) => self.answer_as(&name.path(), head, reply),
                Err(refused) => refuse(refused, reply),
            };
        }
        self.answer_as(path, head, reply)
    }

    /// Answers with the file of this path, which is spelled as it is kept.
    fn answer_as(self: &Rc<Self>, path: &str, head: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let mut cache = self.cache.borrow_mut();
        let Some(kept) = cache.get(path) else {
            drop(cache);
            return self.find(path, head, reply);
        };
        match kept.standing(reply.now(), self.options.fresh) {
            Standing::Fresh => self.at_once(&mut cache, path, head, reply, None),
            Standing::Stale(check) => self.at_once(&mut cache, path, head, reply, Some(check)),
            Standing::Old => {
                let task = Task::Verify(Arc::clone(&kept.entry.sources));
                self.fetch(path, head, reply, task)
            }
            Standing::Changed => {
                cache.remove(path);
                drop(cache);
                self.find(path, head, reply)
            }
        }
    }

    /// Answers from the cache.
    fn at_once(
        self: &Rc<Self>,
        cache: &mut Cache,
        path: &str,
        head: &Head<'_>,
        mut reply: Reply<'_, '_>,
        check: Option<Check>,
    ) -> Answered {
        let Some(kept) = cache.get(path) else { return reply.text(500, "Internal Server Error\n") };
        if let Some(check) = check {
            let (root, sources) = (Arc::clone(&self.root), Arc::clone(&kept.entry.sources));
            reply.spawn(move || check.end(load::is_unchanged(&root, &sources)));
        }
        let is_head = head.method == "HEAD";
        let asked = Asked::new(is_head, head.headers());
        let env = reply.env();
        let (wall, most) = (env.wall(), env.limits.high_water as u64);
        let coding =
            match plan::plan(&kept.entry, &asked, wall, self.cache_control.as_deref(), true) {
                Plan::Prepared(prepared, length) if length <= most => {
                    return reply.prepared(prepared);
                }
                // With room for it later, as any long answer.
                Plan::Prepared(..) => return self.fetch(path, head, reply, Task::Nothing),
                Plan::Short { status, fields, body } => {
                    return reply.send_shared(status, &as_headers(&fields), body);
                }
                Plan::Long { .. } => return self.fetch(path, head, reply, Task::Nothing),
                Plan::Make(coding) => coding,
            };
        self.fetch(path, head, reply, Task::Make(coding))
    }

    fn find(self: &Rc<Self>, path: &str, head: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        match Name::of(path) {
            Ok(name) => self.fetch(path, head, reply, Task::Find(name)),
            Err(refused) => refuse(refused, reply),
        }
    }

    fn fetch(
        self: &Rc<Self>,
        path: &str,
        head: &Head<'_>,
        reply: Reply<'_, '_>,
        task: Task,
    ) -> Answered {
        reply.exchange(Fetch::new(Rc::clone(self), Kept::of(path, head), task))
    }
}

fn refuse(refused: Refused, reply: Reply<'_, '_>) -> Answered {
    match refused {
        Refused::Malformed => reply.text(400, "Bad Request\n"),
        Refused::Missing => reply.text(404, "Not Found\n"),
    }
}

/// Fields as replies take them.
fn as_headers<'f>(fields: &'f plan::Fields<'_>) -> Vec<(&'f str, &'f [u8])> {
    fields.iter().map(|(name, value)| (*name, &**value)).collect()
}
