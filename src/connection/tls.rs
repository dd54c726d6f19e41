//! s
use crate::session::TlsInfo;
/// s
pub struct Tls {}
/// s
#[derive(Clone)]
pub struct TlsConfig;
impl TlsConfig {
    /// s
    pub fn accept(&self) -> Result<Tls, String> {
        todo!()
    }
}
impl Tls {
    /// s
    pub fn read(
        &mut self,
        _wire: &mut [u8],
        _out: &mut Vec<u8>,
        _on_plain: impl FnMut(&[u8], TlsInfo<'_>),
    ) -> Result<(), ()> {
        todo!()
    }
    /// s
    pub fn write(&mut self, _plain: &[u8], _out: &mut Vec<u8>) -> Result<(), ()> {
        todo!()
    }
    /// s
    pub fn close(&mut self, _out: &mut Vec<u8>) {}
    /// s
    pub fn is_handshaking(&self) -> bool {
        todo!()
    }
    /// s
    pub fn peer_closed(&self) -> bool {
        todo!()
    }
    /// s
    pub fn info(&self) -> TlsInfo<'_> {
        todo!()
    }
    /// s
    pub fn fault(&self) -> Option<String> {
        None
    }
}
