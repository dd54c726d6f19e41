//! A loop with a worker thread beside it. The web handler promises an answer and sends the question
//! to the worker; the worker gives the answer through a [`Handle`], reads the loop's counters, and
//! at the end has the loop drain.
//!
//! The example is its own client: it asks three questions at once.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use readyloop::session::http::{Http, Reply, ReplyTo, Response};
use readyloop::{Handle, Head, Limits, Reactor};

/// A question and where its answer goes.
type Question = (String, ReplyTo);

/// Errors of any thread.
type Failure = Box<dyn Error + Send + Sync>;

/// Runs until all questions are answered and the loop has drained.
pub fn main() -> Result<(), Failure> {
    let mut reactor = Reactor::new(Limits::default())?;
    let (questions, asked) = mpsc::channel::<Question>();
    let service = Http::new(move |request: &Head<'_>, reply: Reply<'_, '_>| {
        let (to, promised) = reply.later();
        // If the worker is gone nobody answers, and `Limits::reply` sends a 503.
        let _ = questions.send((request.path().to_owned(), to));
        promised
    });
    let listener = reactor.listen(SocketAddr::from(([127, 0, 0, 1], 0)), service)?;
    let address = reactor.local_address(listener).and_then(|at| at.as_inet()).ok_or("no port")?;

    let handle = reactor.handle();
    let worker = thread::spawn(move || work(&asked, &handle));
    let clients: Vec<_> = ["/one", "/two", "/three"]
        .into_iter()
        .map(|path| thread::spawn(move || ask(address, path)))
        .collect();
    // Ends when the worker has had it drained.
    reactor.run()?;

    for client in clients {
        println!("{}", client.join().map_err(|_| "a client failed")??);
    }
    let answered = worker.join().map_err(|_| "the worker failed")??;
    println!("the loop says that it has answered {answered} requests");
    if answered == 3 { Ok(()) } else { Err("some are missing".into()) }
}

/// Answers three questions, slowly, in whatever order they came.
fn work(asked: &Receiver<Question>, handle: &Handle) -> Result<u64, Failure> {
    for (question, to) in asked.iter().take(3) {
        thread::sleep(Duration::from_millis(20));
        let answer = question.trim_start_matches('/').to_uppercase();
        handle.reply(to, Response::text(200, answer))?;
    }
    // Commands are carried out in order, so the counters include the answers above.
    let (sender, receiver) = mpsc::channel();
    handle.exec(move |env| sender.send(env.counters.responses[2]).unwrap_or_default())?;
    let answered = receiver.recv()?;
    handle.drain(Duration::from_secs(5))?;
    Ok(answered)
}

fn ask(address: SocketAddr, path: &str) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(format!("{path}: {}", answer.lines().last().unwrap_or("")))
}
