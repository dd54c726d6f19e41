//! The listening side: a socket whose accepts block, and the loop of a thread that accepts.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::gate::{Attendance, Gate, Seat, is_passing};
use crate::session::datagram::Peer;
use crate::socket::{self, Address, Listen, NODELAY_IS_INHERITED, Socketed};

/// A connection's socket: which of the two, says how its last bytes are best sent.
pub(super) type Wire = Socketed<Socket, Socket>;

/// How often a shortage is logged.
const COMPLAINT: Duration = Duration::from_secs(60);

/// Accepted from one listener when it closes, of those who wait.
const LAST: usize = 4096;

/// Linux copies the time-outs of a listener to what it accepts over TCP, which saves two system
/// calls for each connection.
const TIMES_ARE_INHERITED: bool = cfg!(target_os = "linux");

/// A listening socket.
pub(super) struct Door {
    socket: Socket,
    how: Listen,
    /// Its place among the rows.
    row: usize,
    /// What a read of an accepted socket waits at most, until it is told otherwise.
    patience: Duration,
    /// A drain waits for this door to close.
    _attendance: Attendance,
}

/// An accepted connection that nobody serves yet. The seat is dropped first, the socket after it.
pub(super) struct Guest {
    pub(super) seat: Seat,
    pub(super) wire: Wire,
    pub(super) peer: Peer,
    pub(super) row: usize,
    /// How long its reads wait.
    pub(super) patience: Duration,
}

impl Door {
    /// Binds and listens.
    pub(super) fn open(how: Listen, row: usize, gate: &Arc<Gate>) -> io::Result<Self> {
        let socket = socket::listen(&how)?;
        socket.set_nonblocking(false)?;
        // An accept must look up now and then whether it is closing time.
        let patience = gate.limits().drain_idle.max(Duration::from_millis(1));
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(gate.limits().progress))?;
        Ok(Door { socket, how, row, patience, _attendance: gate.attend() })
    }

    /// Where it listens, with the port that the system chose.
    pub(super) fn address(&self) -> io::Result<Address> {
        match &self.how.address {
            Address::Unix(path) => Ok(Address::Unix(path.clone())),
            Address::Inet(_) => {
                let bound = self.socket.local_addr()?.as_socket();
                bound.map(Address::Inet).ok_or_else(|| io::Error::other("no address"))
            }
        }
    }

    /// Accepts until it is closing time; `each` does what the model does with a connection.
    pub(super) fn attend(self, gate: &Arc<Gate>, mut each: impl FnMut(Guest)) {
        let mut complained: Option<Instant> = None;
        while gate.admits() {
            match self.accept(gate) {
                Ok(guest) => each(guest),
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    if complained.is_none_or(|at| at.elapsed() >= COMPLAINT) {
                        complained = Some(Instant::now());
                        log::warn!("accepting pauses: {error}");
                    }
                    gate.rest(gate.limits().accept_retry);
                }
            }
        }
        self.close(gate, each);
    }

    fn accept(&self, gate: &Arc<Gate>) -> io::Result<Guest> {
        let (socket, address) = self.socket.accept()?;
        let seat = gate.enter(&socket);
        let inet = matches!(self.how.address, Address::Inet(_));
        let inherits = inet && TIMES_ARE_INHERITED;
        if inet && self.how.nodelay && !NODELAY_IS_INHERITED {
            // Fails only on a connection that is gone already; the read will say so.
            let _ = socket.set_tcp_nodelay(true);
        }
        if !inherits {
            socket.set_write_timeout(Some(gate.limits().progress))?;
        }
        let peer = match address.as_socket() {
            Some(address) => Peer::Inet(address),
            None => address.as_pathname().map_or(Peer::Unnamed, |path| Peer::Unix(path.into())),
        };
        let wire = if inet { Socketed::Inet(socket) } else { Socketed::Unix(socket) };
        let patience = if inherits { self.patience } else { Duration::MAX };
        Ok(Guest { seat, wire, peer, row: self.row, patience })
    }

    /// A request that was sent before closing time is answered: whoever waits to be accepted still
    /// is. Those who come from now on are turned away, where the system can.
    fn close(self, gate: &Arc<Gate>, mut each: impl FnMut(Guest)) {
        if matches!(self.how.address, Address::Inet(_)) {
            socket::refuse_connections(&self.socket);
        }
        if self.socket.set_nonblocking(true).is_ok() && !gate.is_cut() {
            (0..LAST).map_while(|_| self.accept(gate).ok()).for_each(&mut each);
        }
        if let Address::Unix(path) = &self.how.address {
            let _ = std::fs::remove_file(path);
        }
    }
}
