//! Frames (RFC 6455 §5.2): heads read and written.
//!
//! Called by the reader and the sender, and by whoever makes one frame for many receivers. Knows a
//! frame by itself; what may follow what is the reader's matter.

use bytes::Bytes;

use super::Refusal;

/// The most bytes that a control frame may carry.
pub const CONTROL: usize = 125;

/// The most bytes that a head takes.
pub(super) const LONGEST_HEAD: usize = 14;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(bits: u8) -> Result<Self, Refusal> {
        Ok(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Refusal::ReservedOpcode),
        })
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }

    pub(super) fn is_control(self) -> bool {
        self.bits() >= 8
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) is_last: bool,
    /// The first reserved bit, which says that a message is compressed.
    pub(super) is_packed: bool,
    pub(super) opcode: Opcode,
    pub(super) key: Option<[u8; 4]>,
    pub(super) length: u64,
}

impl Head {
    /// The head at the front of `input`, and how many bytes it takes. `None`: more is needed.
    ///
    /// What can be refused by the first two bytes is, before others have come.
    #[inline]
    pub(super) fn read(input: &[u8]) -> Result<Option<(Head, usize)>, Refusal> {
        let [first, second, rest @ ..] = input else { return Ok(None) };
        if first & 0x30 != 0 {
            return Err(Refusal::ReservedBit);
        }
        let opcode = Opcode::of(first & 0x0f)?;
        let (is_last, is_packed) = (first & 0x80 != 0, first & 0x40 != 0);
        if opcode.is_control() {
            if !is_last {
                return Err(Refusal::ControlFragmented);
            }
            if second & 0x7f > 125 {
                return Err(Refusal::ControlTooLong);
            }
        }
        let (length, rest) = match (second & 0x7f, rest) {
            (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
            (127, rest) => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from_be_bytes(*bytes), rest),
                None => return Ok(None),
            },
            (126, _) => return Ok(None),
            (short, rest) => (u64::from(short), rest),
        };
        let is_shortest = match second & 0x7f {
            126 => length > 125,
            127 => length > 0xffff && length >> 63 == 0,
            _ => true,
        };
        if !is_shortest {
            return Err(Refusal::Length);
        }
        let (key, rest) = match (second & 0x80 != 0, rest.split_first_chunk()) {
            (false, _) => (None, rest),
            (true, Some((key, rest))) => (Some(*key), rest),
            (true, None) => return Ok(None),
        };
        let head = Head { is_last, is_packed, opcode, key, length };
        Ok(Some((head, input.len() - rest.len())))
    }

    /// Appends it to `out`, its length in the shortest form.
    #[inline]
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (bytes, length) = self.encode();
        out.extend(bytes.iter().take(length));
    }

    /// Its bytes, and how many of them count.
    #[inline]
    pub(super) fn encode(&self) -> ([u8; LONGEST_HEAD], usize) {
        let mut head = Encoded { bytes: [0; LONGEST_HEAD], length: 0 };
        let flags = u8::from(self.is_last) << 7 | u8::from(self.is_packed) << 6;
        let masked = u8::from(self.key.is_some()) << 7;
        head.add(&[flags | self.opcode.bits()]);
        match (u8::try_from(self.length), u16::try_from(self.length)) {
            (Ok(short @ 0..=125), _) => head.add(&[masked | short]),
            (_, Ok(middle)) => {
                head.add(&[masked | 126]);
                head.add(&middle.to_be_bytes());
            }
            _ => {
                head.add(&[masked | 127]);
                head.add(&self.length.to_be_bytes());
            }
        }
        if let Some(key) = self.key {
            head.add(&key);
        }
        (head.bytes, head.length)
    }
}

struct Encoded {
    bytes: [u8; LONGEST_HEAD],
    length: usize,
}

impl Encoded {
    #[inline]
    fn add(&mut self, more: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(self.length).zip(more) {
            *place = *byte;
        }
        self.length += more.len();
    }
}

/// A whole message in one frame of a server, to be shared by all its receivers.
fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + LONGEST_HEAD);
    let length = payload.len() as u64;
    Head { is_last: true, is_packed: false, opcode, key: None, length }.write(&mut out);
    out.extend_from_slice(payload);
    out.into()
}

/// A text message in one frame of a server.
pub fn encode_text(text: &str) -> Bytes {
    encode(Opcode::Text, text.as_bytes())
}

/// A binary message in one frame of a server.
pub fn encode_binary(data: &[u8]) -> Bytes {
    encode(Opcode::Binary, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_every_part_of_it_asks_for_more() {
        for length in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, u64::MAX >> 1] {
            for key in [None, Some([1, 2, 3, 4])] {
                for (is_last, is_packed, opcode) in [
                    (true, false, Opcode::Text),
                    (false, true, Opcode::Binary),
                    (true, false, Opcode::Continuation),
                ] {
                    let head = Head { is_last, is_packed, opcode, key, length };
                    let mut bytes = Vec::new();
                    head.write(&mut bytes);
                    for cut in 0..bytes.len() {
                        assert_eq!(Head::read(&bytes[..cut]), Ok(None), "{head:?} cut at {cut}");
                    }
                    let size = bytes.len();
                    bytes.extend_from_slice(b"payload");
                    assert_eq!(Head::read(&bytes), Ok(Some((head, size))));
                }
            }
        }
    }

    #[test]
    fn heads_are_refused_as_soon_as_they_are_wrong() {
        let table: &[(&[u8], Refusal)] = &[
            (&[0x91, 0x00], Refusal::ReservedBit),
            (&[0xa1, 0x00], Refusal::ReservedBit),
            (&[0x83, 0x00], Refusal::ReservedOpcode),
            (&[0x8b, 0x00], Refusal::ReservedOpcode),
            (&[0x8f, 0x00], Refusal::ReservedOpcode),
            (&[0x09, 0x00], Refusal::ControlFragmented),
            (&[0x89, 0x7e], Refusal::ControlTooLong),
            (&[0x88, 0xff], Refusal::ControlTooLong),
            (&[0x82, 0x7e, 0, 125], Refusal::Length),
            (&[0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Refusal::Length),
            (&[0x82, 0x7f, 0x80, 0, 0, 0, 0, 1, 0, 0], Refusal::Length),
        ];
        for (bytes, refusal) in table {
            assert_eq!(Head::read(bytes), Err(*refusal), "{bytes:x?}");
        }
    }

    #[test]
    fn a_shared_frame_is_what_a_server_sends() {
        assert_eq!(&encode_text("Hello")[..], b"\x81\x05Hello");
        assert_eq!(&encode_binary(&[7; 126])[..4], b"\x82\x7e\x00\x7e");
    }
}
