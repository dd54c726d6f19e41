//! The page that is open on a lesson: a loop of its own, on a thread of its own, that shows what the
//! stage's recorder has, and the lesson's text.
//!
//! `readyloop learn` starts it before the play and stops it after. It never touches the lesson.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use super::{Lesson, Stage, limits};
use crate::app::book;
use crate::reactor::world::Address;
use crate::scope::Source;
use crate::scope::page::{self, Options};
use crate::session::http::{Answered, Http, Reply};
use crate::web::router::{Request, Router};
use crate::{Handle, Reactor};

/// A page that is being served.
pub(super) struct Page {
    pub(super) address: SocketAddr,
    handle: Handle,
    thread: JoinHandle<io::Result<()>>,
}

impl Page {
    /// Serves it on a port of this machine.
    pub(super) fn open(stage: &Stage, lesson: &'static Lesson, port: u16) -> io::Result<Self> {
        let stage = stage.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let serve = move || {
            // The same as the stage's, so that the page's detectors judge as the stage's do.
            let mut reactor = Reactor::new(limits())?;
            let at = SocketAddr::from(([127, 0, 0, 1], port));
            let token = reactor.listen(at, Http::new(routes(&stage, lesson)))?;
            // Whoever asked has gone if it is not heard; then there is nobody to serve.
            let _ = tell.send((reactor.local_address(token), reactor.handle()));
            reactor.run()
        };
        let thread = thread::Builder::new().name("page".into()).spawn(serve)?;
        match told.recv() {
            Ok((Some(Address::Inet(address)), handle)) => Ok(Page { address, handle, thread }),
            _ => Err(match thread.join() {
                Ok(Err(error)) => error,
                _ => io::Error::other("the page cannot be served"),
            }),
        }
    }

    /// Ends it.
    pub(super) fn close(self) {
        let _ = self.handle.stop();
        // A page that has ended already is as good as one that is stopped.
        let _ = self.thread.join();
    }
}

fn routes(stage: &Stage, lesson: &'static Lesson) -> Router {
    let text = format!("/manual/lessons/{}", lesson.name);
    let title = format!("Lesson {}: {}", lesson.number, lesson.title);
    let about = Some((title, text.clone()));
    let options = Options { about, ..Options::new(Source::Other(stage.watched())) };
    Router::new()
        .get("/", |_: &Request<'_>, reply: Reply<'_, '_>| go("/_loop/", reply))
        .get("/lesson", move |_: &Request<'_>, reply: Reply<'_, '_>| go(&text, reply))
        .nest("/_loop", page::routes(options))
        .nest("", book::routes())
}

/// Sends a browser elsewhere.
fn go(to: &str, reply: Reply<'_, '_>) -> Answered {
    reply.send(302, &[("Location", to.as_bytes())], b"")
}
