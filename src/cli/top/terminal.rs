//! The terminal: taken while the screen is shown, and given back as it was, whatever happens.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::DefaultTerminal;
use ratatui::backend::Backend;
use ratatui::crossterm::event::{self, Event};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::draw;
use super::feed::Feed;
use super::look::Look;
use super::screen::{Act, Screen};

/// How often it is looked whether there is something new while no key is pressed, in ms.
const LOOK: u8 = 50;

/// Gives the terminal back when it is dropped; on a panic, ratatui's own hook does before anything is
/// printed.
struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = ratatui::try_restore();
    }
}

/// Where keys come from.
struct Keys(OwnedFd);

impl Keys {
    fn open() -> io::Result<Keys> {
        let stdin = io::stdin();
        Ok(Keys(match stdin.is_terminal() {
            true => stdin.as_fd().try_clone_to_owned()?,
            false => File::open("/dev/tty")?.into(),
        }))
    }

    /// Waits for a key, or for a moment. Whoever reads keys does so for ever once the terminal is
    /// gone, so that is seen here, before.
    fn wait(&self) -> io::Result<()> {
        let mut keys = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut keys, PollTimeout::from(LOOK)) {
            // A signal: of another size of the terminal, or to end.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        match keys[0].revents() {
            Some(seen) if seen.intersects(gone) => Err(io::Error::other("the terminal is gone")),
            _ => Ok(()),
        }
    }
}

/// Shows `screen` and what `feed` brings, until somebody wants it to end.
pub(super) fn show(mut screen: Screen, feed: &Feed, from: &str, look: Look) -> io::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&ended))?;
    }
    let taken = Taken;
    let mut terminal = ratatui::try_init()?;
    let shown = run(&mut terminal, &mut screen, feed, from, look, &ended);
    drop(taken);
    shown
}

fn run(
    terminal: &mut DefaultTerminal,
    screen: &mut Screen,
    feed: &Feed,
    from: &str,
    look: Look,
    ended: &AtomicBool,
) -> io::Result<()> {
    // What a terminal without a second screen still shows would show through.
    // (Its own `clear` asks for the cursor's place, which not every terminal answers.)
    terminal.backend_mut().clear()?;
    let keys = Keys::open()?;
    let mut is_new = true;
    while !ended.load(Ordering::Relaxed) {
        if is_new {
            terminal.draw(|frame| draw::screen(frame, screen, from, look))?;
        }
        is_new = false;
        keys.wait()?;
        while event::poll(Duration::ZERO)? {
            // Resizing shows in the next picture: each is drawn for the size that there is.
            let act = match event::read()? {
                Event::Key(key) => screen.press(key),
                _ => Act::Draw,
            };
            match act {
                Act::Quit => return Ok(()),
                Act::Wish(wish) => feed.wish(wish),
                Act::Draw => {}
            }
            is_new = true;
        }
        loop {
            match feed.news.try_recv() {
                Ok(news) => screen.hear(news),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Err(io::Error::other("the thread that asks the server has ended"));
                }
            }
            is_new = true;
        }
    }
    Ok(())
}
