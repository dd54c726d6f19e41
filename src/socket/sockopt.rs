//! Two socket options and a flag that no crate wraps well enough. The only `unsafe` of the library
//! is here.

#[cfg(target_os = "linux")]
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Has connections accepted only when their first bytes are there (`TCP_DEFER_ACCEPT`): a
/// connection for a single request then costs no poll of its own. The kernel hands over silent
/// connections too, after about a second. A listener that does not know the option is as before.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(crate) fn defer_accept(listener: BorrowedFd<'_>) {
    use std::os::fd::AsRawFd;
    let seconds: libc::c_int = 1;
    // SAFETY: the descriptor is borrowed and therefore open; the pointer and the length describe
    // `seconds`, which outlives the call; the kernel only reads it.
    let result = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result != 0 {
        log::debug!("TCP_DEFER_ACCEPT: {}", std::io::Error::last_os_error());
    }
}

/// Sends, and leaves the last packet to go out together with the end of our direction, which must
/// follow at once (`MSG_MORE`).
#[cfg(target_os = "linux")]
pub(crate) fn send_and_hold(stream: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_MORE;
    socket2::SockRef::from(stream).send_with_flags(bytes, flags)
}

/// Other systems have no such option; connections are accepted when they are made.
#[cfg(not(target_os = "linux"))]
pub(crate) fn defer_accept(_: BorrowedFd<'_>) {}

/// Has a listener ignore the first packet of new connections, while those whose handshake is under
/// way are completed and can be accepted. Clients that come later see what they would see of a
/// listener that is gone: no answer, then a refusal once it has closed.
#[cfg(target_os = "linux")]
pub(crate) fn refuse_connections(listener: &impl AsFd) {
    use libc::{BPF_ABS, BPF_B, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET};
    use socket2::{SockFilter, SockRef};
    // The filter sees the TCP header; byte 13 holds its flags, bit 1 of them is SYN.
    let code = |bits: u32| bits as u16;
    let filter = [
        SockFilter::new(code(BPF_LD | BPF_B | BPF_ABS), 0, 0, 13),
        SockFilter::new(code(BPF_JMP | BPF_JSET | BPF_K), 0, 1, 2),
        SockFilter::new(code(BPF_RET | BPF_K), 0, 0, 0),
        SockFilter::new(code(BPF_RET | BPF_K), 0, 0, u32::MAX),
    ];
    if let Err(error) = SockRef::from(listener).attach_filter(&filter) {
        log::debug!("SO_ATTACH_FILTER: {error}");
    }
}

/// Other systems go on accepting until the listener closes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn refuse_connections(_: &impl AsFd) {}
