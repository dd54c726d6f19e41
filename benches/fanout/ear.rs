//! One member of the crowd: a WebSocket's client side, as far as the crowd needs it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

const REQUEST: &[u8] = b"GET /ws/chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
const END: &[u8] = b"\r\n\r\n";

const TEXT: u8 = 1;
const PING: u8 = 9;
const PONG: u8 = 10;

/// How long the server may take to let a member in.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Ear {
    stream: TcpStream,
    /// Bytes of a frame that is not complete.
    carry: Vec<u8>,
    /// Messages heard so far.
    pub(crate) heard: u64,
}

impl Ear {
    /// Connects, shakes hands, and says `hello` if there is one, which must be answered.
    pub(crate) fn open(port: u16, hello: Option<&str>) -> io::Result<Ear> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        // Ending by a reset leaves the server without TIME-WAIT, thousands of which would slow down
        // whoever connects next.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.set_tcp_nodelay(true)?;
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        socket.connect_timeout(&target.into(), PATIENCE)?;
        let mut ear = Ear { stream: socket.into(), carry: Vec::new(), heard: 0 };
        ear.stream.set_read_timeout(Some(PATIENCE))?;
        ear.stream.write_all(REQUEST)?;
        let end = loop {
            match memchr::memmem::find(&ear.carry, END) {
                Some(at) => break at + END.len(),
                None => ear.more()?,
            }
        };
        let head = ear.carry.drain(..end);
        if !head.as_slice().starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other(format!(
                "no WebSocket: {}",
                head.as_slice().escape_ascii()
            )));
        }
        drop(head);
        if let Some(hello) = hello {
            ear.say(hello)?;
            while frame(&ear.carry).is_none() {
                ear.more()?;
            }
        }
        ear.stream.set_nonblocking(true)?;
        Ok(ear)
    }

    /// Waits for more bytes while it comes in.
    fn more(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        let n = self.stream.read(&mut bytes)?;
        if n == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.carry.extend_from_slice(&bytes[..n]);
        Ok(())
    }

    /// Says something. It is short, and a member says one thing at a time: the socket takes it.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        self.send(TEXT, text.as_bytes())
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut frame = header(opcode, payload.len());
        frame[1] |= 0x80;
        // A mask of zeroes leaves the payload as it is.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame)
    }

    /// Reads once, and answers the texts that are complete.
    pub(crate) fn hear(
        &mut self,
        buf: &mut [u8],
        mut text: impl FnMut(&mut u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let n = match self.stream.read(buf) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let carried = std::mem::take(&mut self.carry);
        let joined;
        let mut rest = if carried.is_empty() {
            &buf[..n]
        } else {
            joined = [&carried, &buf[..n]].concat();
            &joined[..]
        };
        while let Some((opcode, payload, length)) = frame(rest) {
            match opcode {
                TEXT => text(&mut self.heard, payload)?,
                PING => self.send(PONG, payload)?,
                PONG => {}
                other => return Err(io::Error::other(format!("a frame of opcode {other}"))),
            }
            rest = &rest[length..];
        }
        self.carry.extend_from_slice(rest);
        Ok(())
    }
}

impl AsRawFd for Ear {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

/// The header of an unmasked frame, whole and final.
pub(crate) fn header(opcode: u8, length: usize) -> Vec<u8> {
    let mut header = vec![0x80 | opcode];
    match u16::try_from(length) {
        Ok(short @ ..126) => header.push(short as u8),
        Ok(length) => {
            header.push(126);
            header.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            header.push(127);
            header.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    header
}

/// The opcode and payload of a server's frame at the front of `bytes`, and its length.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match second {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u16::from_be_bytes(*length).into(), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*length) as usize, rest)
        }
        short => (short.into(), rest),
    };
    let payload = rest.get(..length)?;
    Some((first & 0x0f, payload, bytes.len() - rest.len() + length))
}
