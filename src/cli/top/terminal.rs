//! The terminal: taken while the screen is shown, and given back as it was, whatever happens.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::draw;
use super::feed::Feed;
use super::look::Look;
use super::screen::{Act, Screen};

/// How often it is looked whether there is something new while no key is pressed.
const LOOK: Duration = Duration::from_millis(50);

/// Gives the terminal back when it is dropped; on a panic, ratatui's own hook does before anything is
/// printed.
struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = ratatui::try_restore();
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
    let mut is_new = true;
    while !ended.load(Ordering::Relaxed) {
        if is_new {
            terminal.draw(|frame| draw::screen(frame, screen, from, look))?;
        }
        is_new = false;
        if event::poll(LOOK)? {
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
