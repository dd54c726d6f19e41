//! Finding, reading and checking files: everything that may wait for a disk. Runs on the off-load
//! threads and nowhere else.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;

use super::Options;
use super::entry::{Body, Entry, Source, Variant};
use super::kind::content_type;
use super::listing;
use super::path::Name;
use super::root::Root;
use super::stamp::Stamp;
use crate::web::coding::{self, Coding};
use crate::web::date;

/// What a name led to.
#[derive(Debug)]
pub(super) enum Found {
    File(Box<Entry>),
    /// A folder whose path lacks its slash.
    Folder,
    /// A page that lists a folder.
    Listing(String),
    Missing,
    Forbidden,
    /// The machine has no more descriptors, or its disk fails.
    Failed(io::Error),
}

/// What is served for the path of a folder.
const INDEX: &str = "index.html";

/// Siblings that hold a file in another coding.
const SIBLINGS: [(Coding, &str); 3] =
    [(Coding::Brotli, ".br"), (Coding::Zstd, ".zst"), (Coding::Gzip, ".gz")];

/// How long a change must lie back for a further one to have another time. Kernels stamp files with
/// the time of their last tick, up to ten milliseconds ago.
const SETTLED: Duration = Duration::from_millis(50);

/// Finds what has this name. `wall` is a time of day not after now.
pub(super) fn find(root: &Root, name: &Name, options: &Options, wall: SystemTime) -> Found {
    seek(root, name, options, wall).unwrap_or_else(|error| match Errno::from_io_error(&error) {
        Some(Errno::ACCESS | Errno::PERM) => Found::Forbidden,
        // What is not there, leads out, or is a socket or a device that cannot be opened.
        Some(
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::MLINK
            | Errno::XDEV
            | Errno::NAMETOOLONG
            | Errno::ILSEQ
            | Errno::INVAL
            | Errno::NXIO
            | Errno::NODEV
            | Errno::OPNOTSUPP,
        ) => Found::Missing,
        _ => Found::Failed(error),
    })
}

fn seek(root: &Root, name: &Name, options: &Options, wall: SystemTime) -> io::Result<Found> {
    if !name.is_folder {
        let file = root.get(&name.text)?;
        let data = file.metadata()?;
        return match (data.is_file(), data.is_dir()) {
            (true, _) => entry(root, file, &name.text, options, wall),
            (_, true) => Ok(Found::Folder),
            _ => Ok(Found::Missing),
        };
    }
    let separator = if name.text.is_empty() { "" } else { "/" };
    let index = format!("{}{separator}{INDEX}", name.text);
    match root.get(&index) {
        Ok(file) if file.metadata()?.is_file() => entry(root, file, &index, options, wall),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ if !options.listing => Ok(Found::Missing),
        _ => listing::page(root, name).map(Found::Listing),
    }
}

fn entry(
    root: &Root,
    file: File,
    name: &str,
    options: &Options,
    wall: SystemTime,
) -> io::Result<Found> {
    let Read { stamp, body, is_torn } = read(file, options)?;
    let content_type = content_type(name);
    let is_text = coding::is_compressible(content_type.as_bytes());
    // A change that is yet to come was made just now (RFC 9110 §8.8.2.1).
    let modified = stamp.modified().min(wall);
    let mut entry = Entry {
        modified,
        last_modified: date::format(modified),
        sources: Arc::new([]),
        is_compressible: is_text && is_worth_compressing(&body, options),
        identity: Variant::new(Coding::Identity, stamp.etag(), stamp.size, body),
        content_type,
        others: Vec::new(),
        not_now: Vec::new(),
        is_fleeting: is_torn,
    };
    let mut sources = vec![Source { name: name.to_owned(), stamp: Some(stamp) }];
    for (coding, ending) in SIBLINGS.into_iter().filter(|_| is_text) {
        let name = format!("{name}{ending}");
        let found = add_sibling(&mut entry, root, coding, &name, &stamp, options);
        sources.push(Source { name, stamp: found });
    }
    let mut stamps = sources.iter().filter_map(|source| source.stamp);
    entry.is_fleeting |= stamps.any(|stamp| !is_settled(stamp.modified(), wall));
    entry.sources = sources.into();
    Ok(Found::File(Box::new(entry)))
}

/// Files can have times that no other follows.
fn is_settled(modified: SystemTime, wall: SystemTime) -> bool {
    modified.checked_add(SETTLED).is_some_and(|then| then <= wall)
}

fn is_worth_compressing(body: &Body, options: &Options) -> bool {
    match (body, &options.compress) {
        (Body::Memory(bytes), Some(compress)) => bytes.len() >= compress.min_bytes,
        _ => false,
    }
}

/// Adds the sibling of this name, if there is one that is not older than the file itself. Answers
/// what is there, so that a change is noticed.
fn add_sibling(
    entry: &mut Entry,
    root: &Root,
    coding: Coding,
    name: &str,
    original: &Stamp,
    options: &Options,
) -> Option<Stamp> {
    let found = regular(root, name).and_then(|file| read(file, options)).ok()?;
    let Read { stamp, body, is_torn } = found;
    if stamp.is_as_new_as(original) {
        entry.is_fleeting |= is_torn;
        entry.others.push(Variant::new(coding, stamp.etag(), stamp.size, body));
    }
    Some(stamp)
}

/// Opens a file that is neither folder, pipe nor device.
fn regular(root: &Root, name: &str) -> io::Result<File> {
    let file = root.get(name)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(Errno::NOENT.into()) }
}

/// True if nothing of what an entry was made of has changed.
pub(super) fn is_unchanged(root: &Root, sources: &[Source]) -> bool {
    sources.iter().all(|source| {
        let data = regular(root, &source.name).and_then(|file| file.metadata());
        data.ok().map(|data| Stamp::of(&data)) == source.stamp
    })
}

/// A file as it was found.
struct Read {
    stamp: Stamp,
    body: Body,
    /// It changed all the while.
    is_torn: bool,
}

/// Reads a small file whole, so that what is read is of one state.
fn read(file: File, options: &Options) -> io::Result<Read> {
    const TRIES: u32 = 3;
    let mut stamp = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::new();
    for _ in 0..TRIES {
        let Some(length) = usize::try_from(stamp.size).ok().filter(|l| *l <= options.file_bytes)
        else {
            return Ok(Read { stamp, body: Body::File(Arc::new(file)), is_torn: false });
        };
        bytes = vec![0; length];
        let count = read_at(&file, &mut bytes, 0)?;
        bytes.truncate(count);
        let after = Stamp::of(&file.metadata()?);
        if after == stamp && count == length {
            return Ok(Read { stamp, body: Body::Memory(bytes.into()), is_torn: false });
        }
        stamp = after;
    }
    stamp.size = bytes.len() as u64;
    Ok(Read { stamp, body: Body::Memory(bytes.into()), is_torn: true })
}

/// Reads until `into` is full or the file ends; answers how much there was.
pub(super) fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut have = 0;
    while let Some(rest) = into.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(have as u64)) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::files::root::Symlinks;
    use crate::web::files::testing::Folder;
    use std::time::UNIX_EPOCH;

    /// Long after whatever a test writes.
    fn later() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1 << 36)
    }

    fn look(folder: &Folder, path: &str, options: &Options) -> Found {
        let root = Root::open(&folder.path(""), Symlinks::Within).expect("a folder");
        find(&root, &Name::of(path).expect("a name"), options, later())
    }

    fn file(found: Found) -> Box<Entry> {
        match found {
            Found::File(entry) => entry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_folders_and_what_is_neither_are_told_apart() {
        let folder = Folder::new("find");
        folder.write("a.txt", "a");
        folder.write("sub/index.html", "<p>");
        folder.write("bare/b", "b");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.path("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .expect("a pipe");
        std::os::unix::net::UnixListener::bind(folder.path("socket")).expect("a socket");
        let plain = Options::default();
        assert_eq!(file(look(&folder, "/a.txt", &plain)).content_type, "text/plain; charset=utf-8");
        assert_eq!(file(look(&folder, "/sub/", &plain)).content_type, "text/html; charset=utf-8");
        assert!(matches!(look(&folder, "/sub", &plain), Found::Folder));
        for path in ["/", "/a.txt/", "/bare/", "/none", "/none/", "/a.txt/b", "/pipe", "/socket"] {
            assert!(matches!(look(&folder, path, &plain), Found::Missing), "{path}");
        }
        let long = format!("/{}", "a".repeat(300));
        assert!(matches!(look(&folder, &long, &plain), Found::Missing));
        let listing = Options { listing: true, ..Options::default() };
        assert!(matches!(look(&folder, "/bare/", &listing), Found::Listing(_)));
        assert!(matches!(look(&folder, "/sub/", &listing), Found::File(_)));
        assert!(matches!(look(&folder, "/none/", &listing), Found::Missing));
    }

    #[test]
    fn siblings_count_if_they_are_not_older_and_any_change_is_noticed() {
        let folder = Folder::new("siblings");
        for name in ["a.css", "a.css.gz", "a.css.br", "b.png", "b.png.gz"] {
            folder.write(name, name);
        }
        let old = UNIX_EPOCH + Duration::from_secs(1000);
        let br = File::options().write(true).open(folder.path("a.css.br")).expect("it is there");
        br.set_modified(old).expect("a time");
        let plain = Options::default();
        let entry = file(look(&folder, "/a.css", &plain));
        let codings: Vec<_> = entry.others.iter().map(|variant| variant.coding).collect();
        assert_eq!(codings, [Coding::Gzip], "the other is older");
        assert!(!entry.is_fleeting && !entry.is_compressible);
        assert!(file(look(&folder, "/b.png", &plain)).others.is_empty());

        let root = Root::open(&folder.path(""), Symlinks::Within).expect("a folder");
        assert!(is_unchanged(&root, &entry.sources));
        br.set_modified(later()).expect("a time");
        assert!(!is_unchanged(&root, &entry.sources));
        let entry = file(look(&folder, "/a.css", &plain));
        assert_eq!(entry.others.len(), 2);
        folder.write("a.css.zst", "new");
        assert!(!is_unchanged(&root, &entry.sources));
        let entry = file(look(&folder, "/a.css", &plain));
        std::fs::remove_file(folder.path("a.css")).expect("removed");
        assert!(!is_unchanged(&root, &entry.sources));
    }

    #[test]
    fn small_files_are_read_and_large_ones_held_open() {
        let folder = Folder::new("sizes");
        folder.write("a.txt", vec![b'x'; 100]);
        let options = |file_bytes| Options { file_bytes, ..Options::default() };
        let small = file(look(&folder, "/a.txt", &options(100)));
        assert!(matches!(&small.identity.body, Body::Memory(bytes) if bytes.len() == 100));
        let large = file(look(&folder, "/a.txt", &options(99)));
        assert!(matches!(&large.identity.body, Body::File(_)));
        assert_eq!((large.identity.length, large.descriptors()), (100, 1));
    }

    #[test]
    fn what_changed_in_the_future_changed_now() {
        let folder = Folder::new("future");
        folder.write("a.txt", "a");
        let file_of = std::fs::File::options().write(true).open(folder.path("a.txt"));
        let root = Root::open(&folder.path(""), Symlinks::Within).expect("a folder");
        let name = Name::of("/a.txt").expect("a name");
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        // One of them is the last second that systems can tell; not every file system keeps it.
        for seconds in [1 << 31, i64::MAX.unsigned_abs()] {
            let then = UNIX_EPOCH + Duration::from_secs(seconds);
            let _ = file_of.as_ref().expect("a file").set_modified(then);
            let entry = file(find(&root, &name, &Options::default(), now));
            assert_eq!(entry.last_modified, "Sun, 06 Nov 1994 08:49:37 GMT");
            assert!(entry.modified == now && entry.is_fleeting);
        }
    }

    #[test]
    fn what_changed_just_now_is_fleeting() {
        let folder = Folder::new("fleeting");
        folder.write("a.txt", "a");
        let root = Root::open(&folder.path(""), Symlinks::Within).expect("a folder");
        let name = Name::of("/a.txt").expect("a name");
        let found = find(&root, &name, &Options::default(), UNIX_EPOCH);
        assert!(file(found).is_fleeting);
    }
}
