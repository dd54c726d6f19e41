//! What of a file is in memory already, so that reading it waits for no disk.
//!
//! Linux tells by a read that may not wait (`preadv2` with `RWF_NOWAIT`). Elsewhere nothing is known
//! to be in memory, and everything is fetched off the loop.

use std::fs::File;
use std::io;

use super::load::read_at;

/// The kernel reads ahead at least in steps of this.
const STEP: u64 = 128 * 1024;

/// True if a span seems to be in memory: a byte of each step is. Somebody may have it put out again
/// before it is sent; then that one window is waited for.
pub(super) fn is_resident(file: &File, offset: u64, length: u64) -> bool {
    let last = offset.saturating_add(length.saturating_sub(1));
    let steps = (0..=length / STEP).map(|step| offset.saturating_add(step * STEP).min(last));
    steps.chain([last]).all(|at| now(file, &mut [0], at).is_some())
}

/// Reads the beginning of a span, as far as it is in memory; `None` if nothing of it is, or if the
/// file ends there.
pub(super) fn read(file: &File, offset: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    let count = now(file, &mut bytes, offset).filter(|count| *count > 0)?;
    bytes.truncate(count);
    Some(bytes)
}

/// Fetches a span from the disk, and has the system begin with the `next` bytes after it.
pub(super) fn warm(file: &File, offset: u64, length: u64, next: u64) -> io::Result<()> {
    let end = offset.saturating_add(length);
    let mut bytes = vec![0; STEP as usize];
    let mut at = offset;
    while at < end {
        let want = usize::try_from(end - at).unwrap_or(usize::MAX).min(bytes.len());
        let count = read_at(file, bytes.get_mut(..want).unwrap_or_default(), at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at = at.saturating_add(count as u64);
    }
    expect(file, end, next);
    Ok(())
}

/// Tells the system that a span will be read soon.
#[cfg(target_os = "linux")]
pub(super) fn expect(file: &File, offset: u64, length: u64) {
    use rustix::fs::{Advice, fadvise};
    // Advice; if it is not taken, nothing is lost.
    let _ = fadvise(file, offset, std::num::NonZeroU64::new(length), Advice::WillNeed);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn expect(_: &File, _: u64, _: u64) {}

/// Reads without waiting; `None` if that is not possible.
#[cfg(target_os = "linux")]
fn now(file: &File, into: &mut [u8], offset: u64) -> Option<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut slices = [io::IoSliceMut::new(into)];
    preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT).ok()
}

#[cfg(not(target_os = "linux"))]
fn now(_: &File, _: &mut [u8], _: u64) -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::files::testing::Folder;

    #[test]
    fn what_was_fetched_can_be_read_and_an_end_is_no_wait() {
        let folder = Folder::new("resident");
        let text: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        folder.write("a", &text);
        let file = File::open(folder.path("a")).expect("it is there");
        assert!(warm(&file, 0, 300_000, 1).is_ok());
        assert!(warm(&file, 200_000, 100_001, 1).is_err(), "it is shorter");
        if cfg!(target_os = "linux") && is_resident(&file, 0, 300_000) {
            let found = read(&file, 1000, 5000).expect("it is in memory");
            assert_eq!(found, text[1000..][..found.len()]);
        }
        assert_eq!(read(&file, 300_000, 10), None, "nothing is there");
    }
}
