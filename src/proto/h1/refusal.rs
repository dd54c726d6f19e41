//! Why a request is refused, and with which status; or a response, of which a gateway would say 502.

use crate::proto::refusal::refusals;

refusals! {
    /// A request that is not answered but refused; the connection closes after it, because where the
    /// next request would begin is not certain.
    status;

    /// The request line is not `method SP target SP version` (RFC 9112 §3).
    RequestLine = 400, "a malformed request line";
    /// The request line passes `Limits::request_line`.
    RequestLineTooLong = 414, "a request line over the limit";
    /// Well-formed, but neither HTTP/1.0 nor HTTP/1.1.
    Version = 505, "an HTTP version other than 1.0 and 1.1";
    /// The target has a form that its method does not allow (RFC 9112 §3.2).
    Target = 400, "a malformed request target";
    /// A field name or value with characters that it may not have (RFC 9110 §5).
    Field = 400, "a malformed header field";
    /// A line folded over several (RFC 9112 §5.2).
    Fold = 400, "an obsolete folded header line";
    /// A carriage return or a line feed by itself (RFC 9112 §2.2).
    BareLineEnd = 400, "a bare CR or LF";
    /// The head passes `Limits::head_bytes`.
    HeadTooLarge = 431, "a head over the limit";
    /// More fields than `Limits::headers`.
    TooManyFields = 431, "too many header fields";
    /// HTTP/1.1 without `Host` (RFC 9112 §3.2).
    HostMissing = 400, "no Host field";
    /// More than one `Host`.
    HostRepeated = 400, "more than one Host field";
    /// A `Host` that is no authority.
    HostInvalid = 400, "an invalid Host field";
    /// Both ways to say where the body ends (RFC 9112 §6.3): the classic of request smuggling.
    LengthAndChunked = 400, "both Content-Length and Transfer-Encoding";
    /// More than one length.
    LengthRepeated = 400, "more than one Content-Length";
    /// A length that is no number.
    LengthInvalid = 400, "an invalid Content-Length";
    /// A transfer coding with chunked missing, repeated, not last, or in HTTP/1.0.
    TransferEncoding = 400, "an invalid Transfer-Encoding";
    /// A transfer coding that nobody here knows (RFC 9112 §6.1).
    TransferCoding = 501, "an unknown transfer coding";
    /// `Expect` other than `100-continue` (RFC 9110 §10.1.1).
    Expectation = 417, "an unknown expectation";
    /// The body passes `Limits::body_bytes`.
    BodyTooLarge = 413, "a body over the limit";
    /// A chunk size that is no hexadecimal number (RFC 9112 §7.1).
    ChunkSize = 400, "an invalid chunk size";
    /// A chunk-size line over `Limits::chunk_line`.
    ChunkLineTooLong = 400, "a chunk-size line over the limit";
    /// Malformed chunk extensions.
    ChunkExtension = 400, "a malformed chunk extension";
    /// Chunk extensions over `Limits::chunk_extensions`.
    ChunkExtensionsTooLarge = 400, "chunk extensions over the limit";
    /// A chunk longer or shorter than its size.
    ChunkEnd = 400, "a chunk that does not end where it should";
    /// A trailer section over `Limits::trailer_bytes`.
    TrailersTooLarge = 431, "a trailer section over the limit";
    /// A field that must not come in a trailer (RFC 9110 §6.5.1).
    TrailerForbidden = 400, "a field that may not be in a trailer";
    /// The stream ended inside a message.
    Truncated = 400, "the end of the stream inside a message";
    /// The status line is not `version SP status SP [reason]` (RFC 9112 §4).
    StatusLine = 502, "a malformed status line";
    /// More interim responses than any final one needs before it.
    TooManyInterim = 502, "too many interim responses";
}
