//! The I/O models: what `readyloop serve --model` compares, how each waits, and what cannot be equal.
//!
//! All of them drive the same [`Connection`](crate::connection::Connection): the same parser, the
//! same handler ([`app::bench`](crate::app::bench)), the same bytes out, the same
//! [`Limits`](crate::Limits), the same options of sockets. `tests/parity.rs` sends one set of requests
//! through every model and asks for the same bytes. What is left to differ is how a thread waits,
//! and how many threads there are. The rows are `http`, `https` and `tcp-echo`; the others are the
//! loop's alone.
//!
//! | model | threads | waits in | system calls of a kept-alive request |
//! |---|---|---|---|
//! | `blocking` | one a listener | `read` | read, write |
//! | `threads` | one a connection, one a listener | `read` | read, write |
//! | `pool=N` | N workers, one a listener | `read`, or for the queue | read, write |
//! | `spin` | one | nowhere | read, write, and a failed read per silent connection and turn |
//! | `level` | one | `epoll_wait`, level-triggered | read, write, a share of a wait |
//! | `loop` | one | `epoll_wait`, edge-triggered | read, write, a share of a wait |
//! | `loops=N` | N | the same, each its own | the same |
//! | `go` | Go's | Go's poller | Go's |
//!
//! # blocking
//!
//! Accept, serve to the end, accept the next: [`blocking::Model::Single`](crate::blocking::Model).
//! Each listener has a thread, because a thread can wait in one accept only. A connection that is
//! kept alive, or slow, keeps all others waiting in the kernel until it ends or its time is up: with
//! two kept-alive connections the second is served after the first one's `--idle`. It is here as the
//! least that a server can be, and fair to it is a load of one connection.
//!
//! # threads
//!
//! A thread per connection, started when it is accepted. Its stack is 128 KiB, as the options say;
//! memory is taken when it is touched, yet each thread has its own read buffer
//! (`--read-buffer`), its own output buffer and its own environment, where a loop has one for all.
//! At `--max-connections` accepting pauses, as on the loop. Where the system has no further thread
//! the connection is closed at once and counted.
//!
//! # pool
//!
//! One thread per listener accepts and puts connections into a queue of 1,024; N workers (64, or
//! `pool=N`) take them out and serve each to its end. A worker is held by its connection also while
//! that is silent. So kept-alive connections beyond N starve: they are accepted and hear nothing
//! until somebody leaves. That is how such servers are, not a fault of the measurement. When the
//! queue is full accepting waits.
//!
//! # spin
//!
//! The reactor on a [`World`](crate::reactor::world::World) that claims in every turn that
//! everything is ready and never waits: [`reactor::spin`](crate::reactor::spin). One thread takes its
//! whole CPU also when nothing happens, and every silent connection costs a failed read a turn.
//! On one CPU with its client it takes the client's time.
//!
//! # level
//!
//! The reactor on level-triggered epoll: [`reactor::level`](crate::reactor::level), Linux only. Where
//! edge-triggered readiness is remembered by the loop, here the system repeats it, and the loop must
//! say what it does not want to hear: a system call when a connection blocks in writing, or does
//! not read, and one when that ends.
//!
//! # loop, loops
//!
//! The reactor as everybody uses it: [`reactor::edge`](crate::reactor::edge). `loops=N` is N of them
//! in one process, each with a listener of its own on the same port (`SO_REUSEPORT`): the kernel
//! gives a connection to one of them by a hash of its addresses and it stays there. Few connections
//! are therefore spread unevenly. N is the number of CPUs of the process if nothing is said.
//!
//! # go
//!
//! A server of ours in Go's standard library, a goroutine per connection, in `tools/models`. It
//! answers the same bytes to well-formed requests, but with a parser of its own, which checks much
//! less, and with Go's TLS. So it compares programs, not only models. It is built when it is first
//! asked for; what it counts is what the kernel says of it. It has no WebSocket, and of the limits
//! only `--idle`. Its sockets are opened as the others' are (`--nodelay`, `--keep-alive`, deferred
//! accept), but what waits unsent in the kernel is not limited. Computing is timed by the clock of
//! the thread, as everywhere, and its goroutine keeps its thread for so long.
//!
//! # What differs and cannot be equal
//!
//! * **Time-outs.** A loop keeps deadlines in a heap and pays nothing per connection for them. A
//!   blocking read's time-out is an option of the socket: `SO_RCVTIMEO` is set when a shorter one
//!   is needed than was set before, so once or twice in a connection's life, and a read that comes
//!   back too soon reads again. On Linux connections inherit the listener's, half a second, so a
//!   silent one wakes once, after that.
//! * **Writing.** A blocking write takes everything, so the unsent bytes that the loop keeps in a
//!   backlog up to `--high-water` wait in the kernel and in the thread instead. A reader counts as
//!   too slow by the same rule, `--progress-bytes` in each `--progress`, but is measured from
//!   write to write, so it may be noticed up to one window later. While a thread writes it does
//!   not read, so a peer that sends much and reads nothing stops both sides until that rule ends it;
//!   the loop stops reading at the high watermark.
//! * **Budgets.** `--reads-per-drive`, `--accepts-per-turn` and `--handshakes-per-turn` are for
//!   sharing one thread. Where threads are shared by the kernel they mean nothing and are not printed.
//! * **Messages.** Connections of a blocking model cannot reach each other: a message, a close or a
//!   dial to somebody else is dropped, and said once in the log. Chat, topics and the other services
//!   that live on messages are not served. A message to itself is delivered.
//! * **Off-loaded work** runs where it is asked for: that is what blocking means.
//! * **A job that only waits** (a paused session) holds its thread, and does not see its peer leave.
//! * **Shortage of descriptors.** The loop turns one waiting client away at each retry with a
//!   descriptor held in reserve; blocking models wait `Limits::accept_retry` and try again.
//! * **Draining.** A thread that waits in `read` hears nothing else, so a drain ends the reading
//!   direction of each socket. What has been sent is still read and answered; a connection at rest
//!   ends within `Limits::drain_idle`. An idle loop wakes for nothing; an idle acceptor looks twice
//!   a second whether it is closing time.
//! * **Counters.** `Sample::calls` has the calls that carry bytes, connections and readiness, those that
//!   came too early included. Setting options, registering (`epoll_ctl`), closing, starting a
//!   thread and locks (`futex`) are not in it; a tracer counts them all.
//! * **Memory.** The C library gives threads arenas of their own, so what threads have freed stays
//!   with them.
