//! A host with a beat of its own, such as a game: it calls the loop once a frame and never waits
//! in it.
//!
//! Players send `+` and `-`; after every frame the host sends the position to all of them. The
//! example is its own player, and ends when the position that it asked for has come back.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use readyloop::session::raw::{Handler, Raw};
use readyloop::session::{ConnInfo, Cx, Flow, Message, Session};
use readyloop::{Limits, Reactor, Token};

/// What the host and its players share: all on one thread, so no lock is needed.
#[derive(Default)]
struct Game {
    position: Cell<i64>,
    players: RefCell<Vec<Token>>,
}

struct Player(Rc<Game>);

impl Handler for Player {
    fn on_open(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.0.players.borrow_mut().push(cx.token());
        Flow::Continue
    }

    fn on_bytes(&mut self, bytes: &[u8], _: &mut Cx<'_>) -> Flow {
        let count = |wanted| bytes.iter().filter(|&&byte| byte == wanted).count() as i64;
        self.0.position.set(self.0.position.get() + count(b'+') - count(b'-'));
        Flow::Continue
    }
}

/// Runs until the player has seen its moves.
pub fn main() -> Result<(), Box<dyn Error>> {
    let game = Rc::new(Game::default());
    let mut reactor = Reactor::new(Limits::default())?;
    let joined = Rc::clone(&game);
    let listener = reactor
        .listen(SocketAddr::from(([127, 0, 0, 1], 0)), move |_: &ConnInfo<'_>| {
            Box::new(Raw::new(Player(Rc::clone(&joined)))) as Box<dyn Session>
        })?;
    let address = reactor.local_address(listener).and_then(|at| at.as_inet()).ok_or("no port")?;
    let player = thread::spawn(move || play(address));

    let mut frames = 0;
    while !player.is_finished() {
        // A frame of the game would be computed and drawn here.
        frames += 1;
        let position = readyloop::Bytes::from(format!("{}\n", game.position.get()));
        for player in game.players.borrow().iter() {
            reactor.env().send(*player, Message::Bytes(position.clone()));
        }
        // Never waits. What a budget has cut off goes on in the next frame.
        reactor.turn(Some(Duration::ZERO))?;
        thread::sleep(Duration::from_millis(5));
    }
    let seen = player.join().map_err(|_| "the player failed")??;
    println!("{frames} frames, the player saw position {seen}");
    if seen == 2 { Ok(()) } else { Err("the moves were lost".into()) }
}

/// Moves three steps forward and one back, and reads positions until they show it.
fn play(address: SocketAddr) -> Result<i64, std::io::Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"+++-")?;
    let mut text = String::new();
    let mut buffer = [0; 256];
    while !text.ends_with("\n2\n") && text != "2\n" {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    Ok(text.lines().last().and_then(|line| line.parse().ok()).unwrap_or(0))
}
