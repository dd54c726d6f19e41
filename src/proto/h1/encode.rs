//! s
use super::*;
/// s
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyLength {
    /// s
    None,
    /// s
    Length(u64),
    /// s
    Chunked,
    /// s
    UntilClose,
}
/// s
pub fn head(
    _out: &mut Vec<u8>,
    _version: Version,
    _status: u16,
    _date: &[u8; 29],
    _headers: &[(&str, &[u8])],
    _body: BodyLength,
    _connection: Connection,
) -> Result<(), InvalidHeader> {
    todo!()
}
/// s
pub enum Connection {
    /// s
    KeepAlive,
    /// s
    Close,
    /// s
    Upgrade,
}
/// s
#[derive(Debug)]
pub struct InvalidHeader;
impl std::fmt::Display for InvalidHeader {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
/// s
pub fn chunk(_out: &mut Vec<u8>, _data: &[u8]) {}
/// s
pub fn last_chunk(_out: &mut Vec<u8>) {}
/// s
pub fn reason(_s: u16) -> &'static str {
    ""
}
/// s
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
