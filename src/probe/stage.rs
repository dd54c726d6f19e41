//! Where a connection is: its [`Stage`], in one word of its protocol.

/// Where a connection is in its life, or its session in its protocol.
///
/// Drivers ask for it after each call while somebody watches; nobody reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stage {
    /// It has no stages, or nothing is known yet.
    #[default]
    Unknown,
    /// It was dialled, and there is no connection yet.
    Connecting,
    /// TLS is being agreed on.
    Handshake,
    /// Its session takes input.
    Open,
    /// Its session takes no input until it continues.
    Paused,
    /// The last bytes are being sent; then it closes.
    Flushing,
    /// Our direction has ended; input is discarded for a while.
    Lingering,
    /// Over.
    Closed,
    /// HTTP: accepted, and nothing has come yet.
    FirstByte,
    /// HTTP: between two requests.
    Idle,
    /// HTTP: a head has begun.
    Head,
    /// HTTP: the body of a request is coming.
    Body,
    /// HTTP: the application owes the reply, or its rest.
    Reply,
    /// WebSocket: messages come and go.
    Messages,
    /// WebSocket: a close frame was sent or received.
    Closing,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Stage; 15] = [
        Stage::Unknown,
        Stage::Connecting,
        Stage::Handshake,
        Stage::Open,
        Stage::Paused,
        Stage::Flushing,
        Stage::Lingering,
        Stage::Closed,
        Stage::FirstByte,
        Stage::Idle,
        Stage::Head,
        Stage::Body,
        Stage::Reply,
        Stage::Messages,
        Stage::Closing,
    ];

    /// One lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Unknown => "unknown",
            Stage::Connecting => "connecting",
            Stage::Handshake => "handshake",
            Stage::Open => "open",
            Stage::Paused => "paused",
            Stage::Flushing => "flushing",
            Stage::Lingering => "lingering",
            Stage::Closed => "closed",
            Stage::FirstByte => "first-byte",
            Stage::Idle => "idle",
            Stage::Head => "head",
            Stage::Body => "body",
            Stage::Reply => "reply",
            Stage::Messages => "messages",
            Stage::Closing => "closing",
        }
    }

    /// Whose it is.
    pub const fn layer(self) -> Layer {
        match self {
            Stage::FirstByte | Stage::Idle | Stage::Head | Stage::Body | Stage::Reply => {
                Layer::Http
            }
            Stage::Messages | Stage::Closing => Layer::WebSocket,
            _ => Layer::Connection,
        }
    }
}

/// The machine that a [`Stage`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// The connection itself.
    Connection,
    /// HTTP/1.1.
    Http,
    /// WebSocket.
    WebSocket,
}

impl Layer {
    /// One lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Layer::Connection => "connection",
            Layer::Http => "http",
            Layer::WebSocket => "websocket",
        }
    }
}

/// Which call of a connection's session it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Call {
    /// It was opened.
    Open,
    /// Bytes arrived, or a TLS handshake went on.
    Data,
    /// The peer ended its direction.
    Eof,
    /// There is room to produce more.
    Drain,
    /// Its deadline came.
    Timeout,
    /// Somebody sent it a message.
    Message,
    /// It was closed from outside, or the loop drains.
    Shutdown,
    /// A datagram arrived.
    Datagram,
    /// It was told that it is over.
    Close,
}

impl Call {
    /// All of them, in their order.
    pub const ALL: [Call; 9] = [
        Call::Open,
        Call::Data,
        Call::Eof,
        Call::Drain,
        Call::Timeout,
        Call::Message,
        Call::Shutdown,
        Call::Datagram,
        Call::Close,
    ];

    /// One lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Call::Open => "open",
            Call::Data => "data",
            Call::Eof => "eof",
            Call::Drain => "drain",
            Call::Timeout => "timeout",
            Call::Message => "message",
            Call::Shutdown => "shutdown",
            Call::Datagram => "datagram",
            Call::Close => "close",
        }
    }
}
