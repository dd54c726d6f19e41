//! The folder that is served: opens what lies in it and nothing else.
//!
//! Called on the off-load threads. A name is resolved against the folder's descriptor, so renaming
//! the folder or what leads to it changes nothing. Where Linux has `openat2` it refuses in one call
//! to leave the folder; elsewhere the name is walked part by part, each link by hand. Links with an
//! absolute target count as leading out, wherever they lead.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// None.
    Never,
    /// Those that stay in the folder.
    #[default]
    Within,
    /// All: whoever may write there decides what is served.
    Any,
}

/// How a name is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By the system, links and all.
    Whole,
    /// By `openat2`.
    #[cfg(target_os = "linux")]
    Beneath,
    /// Part by part.
    Steps,
}

/// An opened folder.
#[derive(Debug)]
pub(super) struct Root {
    folder: OwnedFd,
    symlinks: Symlinks,
    way: Way,
}

/// Not `BLOCK`: the other end of a pipe may never come.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Links that one name may lead over, as in the kernel.
const MAX_LINKS: u32 = 40;

impl Root {
    /// Opens the folder at `path`, itself through any link.
    pub(super) fn open(path: &Path, symlinks: Symlinks) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let folder = rustix::fs::open(path, flags, Mode::empty())?;
        let mut root = Root { folder, symlinks, way: Way::Steps };
        root.way = root.best_way();
        Ok(root)
    }

    #[cfg(target_os = "linux")]
    fn best_way(&self) -> Way {
        match self.symlinks {
            Symlinks::Any => Way::Whole,
            // Old kernels do not know it and some sandboxes forbid it.
            _ if self.beneath(".", READ).is_ok() => Way::Beneath,
            _ => Way::Steps,
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn best_way(&self) -> Way {
        if self.symlinks == Symlinks::Any { Way::Whole } else { Way::Steps }
    }

    /// Opens what has this name, for reading; the folder itself for the empty one.
    pub(super) fn get(&self, name: &str) -> io::Result<File> {
        let name = if name.is_empty() { "." } else { name };
        let opened = match self.way {
            Way::Whole => openat(&self.folder, name, READ, Mode::empty()),
            Way::Steps => self.steps(name),
            #[cfg(target_os = "linux")]
            Way::Beneath => match self.beneath(name, READ) {
                // Something was renamed meanwhile, and the kernel is not sure.
                Err(Errno::AGAIN) => self.steps(name),
                result => result,
            },
        };
        Ok(File::from(opened?))
    }

    #[cfg(target_os = "linux")]
    fn beneath(&self, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        use rustix::fs::{ResolveFlags, openat2};
        let mut how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        how.set(ResolveFlags::NO_SYMLINKS, self.symlinks == Symlinks::Never);
        openat2(&self.folder, name, flags, Mode::empty(), how)
    }

    fn steps(&self, name: &str) -> rustix::io::Result<OwnedFd> {
        let mut todo = parts(Path::new(name))?;
        let mut below: Vec<OwnedFd> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                below.pop().ok_or(Errno::XDEV)?;
                continue;
            }
            let here = below.last().unwrap_or(&self.folder).as_fd();
            let flags = if todo.is_empty() { READ } else { READ | OFlags::DIRECTORY };
            match openat(here, &part, flags | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(found) if todo.is_empty() => return Ok(found),
                Ok(found) => below.push(found),
                // What a link is called depends on the system and on `DIRECTORY`.
                Err(error @ (Errno::LOOP | Errno::NOTDIR | Errno::MLINK)) => {
                    let target = readlinkat(here, &part, Vec::new()).map_err(|_| error)?;
                    links += 1;
                    if self.symlinks == Symlinks::Never || links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let target = OsString::from_vec(target.into_bytes());
                    todo.extend(parts(Path::new(&target))?);
                }
                Err(error) => return Err(error),
            }
        }
        openat(below.last().unwrap_or(&self.folder), ".", READ, Mode::empty())
    }
}

/// The parts of a relative path, the last first.
fn parts(path: &Path) -> rustix::io::Result<Vec<OsString>> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(_) | Component::ParentDir => parts.push(part.as_os_str().to_owned()),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return Err(Errno::XDEV),
        }
    }
    parts.reverse();
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::files::testing::Folder;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    fn read(root: &Root, name: &str) -> Option<String> {
        let mut text = String::new();
        root.get(name).ok()?.read_to_string(&mut text).ok().map(|_| text)
    }

    /// `served` is the root; `secret` lies beside it.
    fn scene() -> Folder {
        let scene = Folder::new("root");
        scene.write("secret", "secret");
        scene.write("served/a", "a");
        scene.write("served/sub/b", "b");
        let served = scene.path("served");
        for (target, link) in [
            ("a", "to-a"),
            ("sub", "to-sub"),
            ("../a", "sub/to-a"),
            ("to-a", "twice"),
            ("../secret", "out"),
            ("sub/../../secret", "out-by-sub"),
            ("/etc/hostname", "absolute"),
            ("loop", "loop"),
            ("nowhere", "dangling"),
            (".", "self"),
        ] {
            symlink(target, served.join(link)).expect("a link");
        }
        symlink(served.join("a"), served.join("absolute-within")).expect("a link");
        scene
    }

    #[test]
    fn both_ways_open_the_same_and_refuse_the_same() {
        let scene = scene();
        for symlinks in [Symlinks::Never, Symlinks::Within] {
            let best = Root::open(&scene.path("served"), symlinks).expect("a folder");
            let steps = Root {
                way: Way::Steps,
                ..Root::open(&scene.path("served"), symlinks).expect("a folder")
            };
            let follows = symlinks == Symlinks::Within;
            let if_followed = |text: &'static str| follows.then_some(text);
            for (name, expected) in [
                ("a", Some("a")),
                ("sub/b", Some("b")),
                ("to-a", if_followed("a")),
                ("twice", if_followed("a")),
                ("to-sub/b", if_followed("b")),
                ("sub/to-a", if_followed("a")),
                ("to-sub/to-a", if_followed("a")),
                ("self/self/a", if_followed("a")),
                ("out", None),
                ("out-by-sub", None),
                ("absolute", None),
                ("absolute-within", None),
                ("loop", None),
                ("dangling", None),
                ("nothing", None),
                ("a/b", None),
                ("../secret", None),
                ("sub/../../secret", None),
                ("/etc/hostname", None),
            ] {
                for root in [&best, &steps] {
                    let found = read(root, name);
                    assert_eq!(found.as_deref(), expected, "{name} {symlinks:?} {:?}", root.way);
                }
            }
        }
        let any = Root::open(&scene.path("served"), Symlinks::Any).expect("a folder");
        assert_eq!(read(&any, "out").as_deref(), Some("secret"));
        assert_eq!(read(&any, "absolute-within").as_deref(), Some("a"));
    }

    #[test]
    fn the_folder_stays_the_one_that_was_opened() {
        let scene = scene();
        let root = Root::open(&scene.path("served"), Symlinks::Within).expect("a folder");
        fs::rename(scene.path("served"), scene.path("moved")).expect("renamed");
        assert_eq!(read(&root, "a").as_deref(), Some("a"));
        let steps = Root { way: Way::Steps, ..root };
        for name in ["", "self"] {
            let found = steps.get(name).expect("the folder itself");
            assert!(found.metadata().is_ok_and(|data| data.is_dir()), "{name}");
        }
    }
}
