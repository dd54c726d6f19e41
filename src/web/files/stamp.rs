//! What tells one state of a file from another without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file's identity, length and times. If any of it differs, the file was changed or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// It also moves when the time of modification is set by hand.
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(data: &Metadata) -> Self {
        Stamp {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        }
    }

    /// When the content last changed; times before 1970 become 1970.
    pub(super) fn modified(&self) -> SystemTime {
        let (seconds, nanos) = self.modified;
        let nanos = u32::try_from(nanos).unwrap_or(0);
        UNIX_EPOCH + u64::try_from(seconds).map_or(Duration::ZERO, |s| Duration::new(s, nanos))
    }

    /// True if its content is not older than `other`'s.
    pub(super) fn is_as_new_as(&self, other: &Stamp) -> bool {
        self.modified >= other.modified
    }

    /// The tag of this state, in quotes: time of modification, size and inode.
    pub(super) fn etag(&self) -> String {
        let (seconds, nanos) = self.modified;
        format!("\"{seconds:x}.{nanos:x}-{:x}-{:x}\"", self.size, self.inode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::etag::ETag;
    use crate::web::files::testing::Folder;
    use std::fs;

    #[test]
    fn a_change_shows_in_the_stamp_and_a_tag_is_strong() {
        let folder = Folder::new("stamp");
        folder.write("a", "a");
        let stamp = || Stamp::of(&fs::metadata(folder.path("a")).expect("it is there"));
        let before = stamp();
        assert_eq!(before, stamp());
        let tag = before.etag();
        assert!(ETag::parse(tag.as_bytes()).is_some_and(|tag| !tag.is_weak()), "{tag}");
        folder.write("b", "b");
        fs::rename(folder.path("b"), folder.path("a")).expect("replaced");
        assert_ne!(before, stamp());
        assert_ne!(tag, stamp().etag());
        assert!(stamp().is_as_new_as(&before));
    }
}
