//! Why a connection is failed, and with which code (RFC 6455 §7.1.7).

use crate::proto::refusal::refusals;

refusals! {
    /// What the peer did that ends the connection.
    code;

    /// A reserved bit is set that no extension gave a meaning (RFC 6455 §5.2).
    ReservedBit = 1002, "a reserved bit";
    /// An opcode without a meaning.
    ReservedOpcode = 1002, "a reserved opcode";
    /// A client's frame without a mask, or a server's with one (§5.1).
    Mask = 1002, "a frame masked in the wrong direction";
    /// A length in more bytes than it needs, or over 63 bits (§5.2).
    Length = 1002, "a length that is not in its shortest form";
    /// A control frame over 125 bytes (§5.5).
    ControlTooLong = 1002, "a control frame over 125 bytes";
    /// A control frame in fragments.
    ControlFragmented = 1002, "a control frame in fragments";
    /// A continuation of nothing (§5.4).
    NothingToContinue = 1002, "a continuation of no message";
    /// A new message inside another one.
    MessageInMessage = 1002, "a message inside another";
    /// A close frame of one byte, or with a code that must not be sent (§7.4).
    CloseCode = 1002, "an invalid close code";
    /// Text that is not UTF-8 (§8.1).
    Utf8 = 1007, "text that is not UTF-8";
    /// A compressed message that cannot be inflated (RFC 7692 §7.2.2).
    Deflate = 1007, "compressed data that cannot be inflated";
    /// A message over the limit.
    MessageTooBig = 1009, "a message over the limit";
    /// A frame over the limit.
    FrameTooBig = 1009, "a frame over the limit";
}
