//! Lesson 18: a TLS handshake as a machine. Bytes in, bytes out, and each record told as it passes.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::thread;

use readyloop::cli::devcert;
use readyloop::cli::learn::{Stage, anywhere};
use readyloop::connection::tls::{
    ClientPolicy, ClientTls, Tls, TlsConfig, TlsEvent, TlsPolicy, Trust,
};
use readyloop::{CloseReason, Token};

/// Round after round: a handshake as the bytes come, and another a byte at a time.
pub fn run(stage: &Stage) -> io::Result<()> {
    let pair = devcert::development(None)?.pair;
    let trust = Trust::Roots(vec![pair.chain.clone()]);
    let config = TlsConfig::server(TlsPolicy::default(), vec![pair]).map_err(io::Error::other)?;
    let client = ClientTls::new(&ClientPolicy::new(trust)).map_err(io::Error::other)?;
    let peer = client.peer("localhost").map_err(io::Error::other)?;
    while stage.another_round() {
        for size in [16 * 1024, 1] {
            let (listener, door) = (TcpListener::bind(anywhere())?, stage.token());
            let socket = TcpStream::connect(listener.local_addr()?)?;
            let tls = peer.connect().map_err(io::Error::other)?;
            let client = thread::spawn(move || super::client::ask(socket, tls));
            let (token, mut socket) = stage.accept(door, &listener)?;
            stage.close(door, listener, CloseReason::Finished);
            let tls = config.accept().map_err(io::Error::other)?;
            let served = serve(stage, token, &mut socket, tls, size);
            stage.close(token, socket, CloseReason::Finished);
            stage.say(&format!("{} reads of at most {size} bytes", served?));
            let answer = client.join().map_err(|_| io::Error::other("the client panicked"))??;
            stage.well(&format!("the client has read {answer:?}"));
        }
    }
    Ok(())
}

/// The server's side, until a request has come and is answered. Answers how many reads it took.
fn serve(
    stage: &Stage,
    token: Token,
    socket: &mut TcpStream,
    mut tls: Tls,
    size: usize,
) -> io::Result<usize> {
    let (mut wire, mut out, mut seen) = (vec![0; size], Vec::new(), Vec::new());
    let (mut request, mut reads) = (Vec::new(), 0);
    while request.is_empty() {
        let count = stage.read(token, socket, &mut wire)?;
        let come = wire.get_mut(..count).filter(|come| !come.is_empty());
        let come = come.ok_or(ErrorKind::UnexpectedEof)?;
        reads += 1;
        seen.extend_from_slice(come);
        tell(stage, "client → server", &mut seen);
        // HERE: what has come goes in, and what is to be sent comes out.
        let read = tls.read(come, &mut out, |event| match event {
            TlsEvent::Open(info) => {
                let how = if info.resumed { ", resumed" } else { "" };
                stage.say(&format!("done: {}, {}{how}", info.version, info.suite));
            }
            TlsEvent::Data(data) => request.extend_from_slice(data),
        });
        read.map_err(io::Error::other)?;
        tell(stage, "server → client", &mut out.clone());
        stage.write(token, socket, &out)?;
        out.clear();
    }
    tls.write(b"hello, client", &mut out).map_err(io::Error::other)?;
    tls.close(&mut out);
    stage.write(token, socket, &out)?;
    Ok(reads)
}

/// Tells the records that are whole: a type, a version, a length, and what only the two can read.
fn tell(stage: &Stage, way: &str, wire: &mut Vec<u8>) {
    while let [kind, _, _, high, low, ..] = *wire.as_slice() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if wire.len() < 5 + length {
            return;
        }
        let name = match kind {
            20 => "change cipher spec",
            21 => "alert",
            22 => "handshake",
            23 => "application data",
            _ => "unknown",
        };
        stage.say(&format!("{way}  {name:18} {length:5} bytes"));
        wire.drain(..5 + length);
    }
}
