//! Several connections that ask for the same at once.

use std::collections::VecDeque;
use std::time::Duration;

use readyloop::buf::Out;
use readyloop::connection::{Connection, Io};
use readyloop::session::datagram::Peer;
use readyloop::session::http::{Http, Reply};
use readyloop::session::{Env, Job, Message, Op};
use readyloop::web::files::{Files, Options};
use readyloop::{CloseReason, Head, Limits, Moment, Token};

use crate::bench::{Answer, Folder, then};

/// However many ask at once, one look-up serves them all, also if there is nothing; and if the one
/// who had it done leaves, the others help themselves.
#[test]
fn a_file_that_many_ask_for_is_looked_up_once() {
    let folder = Folder::new("herd");
    folder.write("a.bin", "one");
    for (path, status) in [("/a.bin", 200), ("/b.bin", 404)] {
        let mut herd = Herd::new(&folder, 5);
        assert_eq!(herd.ask(path), 1);
        herd.work();
        assert_eq!(herd.heard(), [status; 5], "{path}");
        let mut herd = Herd::new(&folder, 5);
        herd.ask(path);
        herd.leave_first();
        herd.work();
        assert_eq!(herd.heard(), [0; 4], "{path}: they still wait for it");
        herd.wait(Duration::from_secs(1));
        herd.work();
        assert_eq!(herd.heard(), [status; 4], "{path}");
    }
}

/// A call of one connection. Boxed, as one call may bring about another.
type Call = Box<dyn FnOnce(&mut Connection, &mut Io<'_>)>;

/// Several connections on one loop.
struct Herd {
    members: Vec<(Connection, Out)>,
    env: Env,
    jobs: VecDeque<(Token, Job)>,
}

impl Herd {
    fn new(folder: &Folder, count: u32) -> Self {
        let files = Files::new(&folder.root(), Options::default()).expect("a folder");
        let service =
            Http::new(move |head: &Head<'_>, reply: Reply<'_, '_>| files.answer(head, reply));
        let mut env = Env::new(Limits::default());
        env.date.refresh(Moment::START, then() + Duration::from_secs(1_000_000_000));
        let open = |index| {
            let mut out = Out::default();
            let token = Token::new(index, 1);
            let mut io = Io { out: &mut out, env: &mut env, token, unsent: 0 };
            (Connection::plain(&service, &Peer::Unnamed, &mut io), out)
        };
        let members = (0..count).map(open).collect();
        Herd { members, env, jobs: VecDeque::new() }
    }

    fn call(&mut self, at: usize, f: impl FnOnce(&mut Connection, &mut Io<'_>)) {
        let token = Token::new(u32::try_from(at).expect("few"), 1);
        let Some((connection, out)) = self.members.get_mut(at) else { return };
        f(connection, &mut Io { out, env: &mut self.env, token, unsent: 0 });
        for op in std::mem::take(&mut self.env.ops) {
            match op {
                Op::Offload(to, _, job) => self.jobs.push_back((to, job)),
                Op::Send(to, message) => self.tell(to, message),
                _ => {}
            }
        }
    }

    fn tell(&mut self, to: Token, message: Message) {
        let call: Call = Box::new(|connection, io| connection.message(message, io));
        self.call(to.index(), call);
    }

    /// All ask; answers how many jobs that makes.
    fn ask(&mut self, path: &str) -> usize {
        for at in 0..self.members.len() {
            let mut wire = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
            self.call(at, |connection, io| connection.feed(&mut wire, io));
        }
        self.jobs.len()
    }

    fn work(&mut self) {
        while let Some((to, job)) = self.jobs.pop_front() {
            self.tell(to, job());
        }
    }

    /// The first member's connection ends; the last one takes its place.
    fn leave_first(&mut self) {
        self.jobs.clear();
        let (mut connection, _) = self.members.swap_remove(0);
        connection.closed(CloseReason::PeerClosed, &mut self.env);
    }

    fn wait(&mut self, time: Duration) {
        self.env.now += time;
        for at in 0..self.members.len() {
            self.call(at, Connection::timeout);
        }
    }

    /// The status that each has got; 0 for none.
    fn heard(&mut self) -> Vec<u16> {
        let status = |said: &[u8]| match said {
            [] => 0,
            said => Answer::read(&mut &*said, false).status,
        };
        self.members.iter_mut().map(|(_, out)| status(&out.take())).collect()
    }
}
