//! An answer that waits for a job: a file that is not known yet, one that must be looked at again, a
//! coding that must be made. When the job is done it is answered like any other.
//!
//! However many ask for a path at once, one of them has it looked up and wakes the others.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::entry::{Body, Entry, Source, Variant};
use super::load::{self, Found};
use super::path::Name;
use super::plan::{self, Asked, Pieces, Plan};
use super::{Files, Sending, TEXT, as_headers, listing};
use crate::proto::h1::{Head, Headers};
use crate::session::http::{Exchange, Response, Writer};
use crate::session::{Message, OffloadFailed, Op};
use crate::time::Moment;
use crate::web::coding::Coding;

/// What is kept of a request for later.
pub(super) struct Kept {
    path: Box<str>,
    query: Option<Box<str>>,
    is_head: bool,
    fields: Box<[u8]>,
}

impl Kept {
    pub(super) fn of(path: &str, head: &Head<'_>) -> Self {
        Kept {
            path: path.into(),
            query: head.query().map(Box::from),
            is_head: head.method == "HEAD",
            fields: head.headers().as_bytes().into(),
        }
    }
}

/// What has to be done before the answer.
pub(super) enum Task {
    /// Nothing: it is only too long to be given at once.
    Nothing,
    /// Find out what has this name.
    Find(Name),
    /// See whether these are still what they were.
    Verify(Arc<[Source]>),
    /// Compress the body that is kept.
    Make(Coding),
}

/// What a job has found out.
enum Done {
    Found(Found),
    Unchanged,
    Changed,
    /// The body whose tag this is, compressed; nothing if that does not make it shorter.
    Made {
        of: String,
        coding: Coding,
        variant: Option<Box<Variant>>,
    },
}

/// The path that somebody waited for has been looked up.
struct Known {
    /// By whom it was waited for.
    number: u64,
    /// There is nothing.
    is_missing: bool,
}

/// Who looks a path up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seeks {
    /// Nobody, or another request.
    Not,
    /// This request, and it tells those who wait.
    First,
    /// This request for itself: what others found was of no use to it.
    Alone,
}

/// How long others are waited for: whoever looks something up may leave.
const PATIENCE: Duration = Duration::from_secs(1);

/// One request while it waits, and while its answer is sent.
pub(super) struct Fetch {
    files: Rc<Files>,
    request: Kept,
    task: Task,
    /// When the job was begun: what it finds is as old as that.
    asked: Moment,
    /// The coding that this request, and no other, has made.
    making: Option<Coding>,
    seeks: Seeks,
    /// Tells this wait from others of the same connection.
    number: u64,
    /// When somebody else's look-up is no longer waited for.
    until: Moment,
    sending: Option<Sending>,
}

impl Fetch {
    pub(super) fn new(files: Rc<Files>, request: Kept, task: Task) -> Self {
        Fetch {
            files,
            request,
            task,
            asked: Moment::START,
            making: None,
            seeks: Seeks::Not,
            number: 0,
            until: Moment::NEVER,
            sending: None,
        }
    }

    /// True if somebody else looks the path up already, and will tell.
    fn waits(&mut self, writer: &Writer<'_, '_>) -> bool {
        if self.seeks != Seeks::Not {
            return false;
        }
        let token = writer.reply_to().token();
        let number = self.files.waiting.borrow_mut().join(&self.request.path, token);
        match number {
            Some(number) => {
                self.number = number;
                self.until = writer.now() + PATIENCE;
            }
            None => self.seeks = Seeks::First,
        }
        self.seeks == Seeks::Not
    }

    /// The path was looked up: wakes those who wait for it.
    fn tell(&mut self, is_missing: bool, writer: &mut Writer<'_, '_>) {
        if self.seeks != Seeks::First {
            return;
        }
        self.seeks = Seeks::Not;
        let waiting = self.files.waiting.borrow_mut().leave(&self.request.path);
        let known = |number| Message::any(Known { number, is_missing });
        let ops = waiting.into_iter().map(|(token, number)| Op::Send(token, known(number)));
        writer.env().ops.extend(ops);
    }

    /// Somebody else has looked the path up.
    fn known(&mut self, known: &Known, writer: &mut Writer<'_, '_>) {
        if self.until.is_never() || known.number != self.number {
            return;
        }
        self.until = Moment::NEVER;
        if known.is_missing {
            return not_found(writer);
        }
        // What was not kept each has to find for himself.
        self.seeks = Seeks::Alone;
        self.answer(writer);
    }

    /// Begins what there is to do.
    fn begin(&mut self, task: Task, writer: &mut Writer<'_, '_>) {
        self.asked = writer.now();
        let (root, options) = (Arc::clone(&self.files.root), Arc::clone(&self.files.options));
        if matches!(task, Task::Find(_) | Task::Verify(_)) && self.waits(writer) {
            return;
        }
        match task {
            Task::Nothing => self.answer(writer),
            Task::Find(name) => {
                let wall = writer.env().wall();
                writer.offload(move || {
                    Message::any(Done::Found(load::find(&root, &name, &options, wall)))
                });
            }
            Task::Verify(sources) => writer.offload(move || {
                let is_unchanged = load::is_unchanged(&root, &sources);
                Message::any(if is_unchanged { Done::Unchanged } else { Done::Changed })
            }),
            Task::Make(coding) => self.make(coding, writer),
        }
    }

    /// Has the kept body compressed; meanwhile others get what there is.
    fn make(&mut self, coding: Coding, writer: &mut Writer<'_, '_>) {
        let mut cache = self.files.cache.borrow_mut();
        let identity = cache.get(&self.request.path).map(|kept| {
            kept.entry.not_now.push(coding);
            (kept.entry.identity.body.clone(), kept.entry.identity.etag.clone())
        });
        drop(cache);
        let (Some((Body::Memory(body), of)), Some(options)) =
            (identity, self.files.options.compress.clone())
        else {
            return self.answer(writer);
        };
        self.making = Some(coding);
        writer.offload(move || {
            let variant = Variant::compressed(&body, &of, coding, &options);
            let variant = variant.map(Box::new);
            Message::any(Done::Made { of, coding, variant })
        });
    }

    fn done(&mut self, done: Done, writer: &mut Writer<'_, '_>) {
        match done {
            Done::Found(found) => self.found(found, writer),
            Done::Unchanged => {
                if let Some(kept) = self.files.cache.borrow_mut().get(&self.request.path) {
                    kept.confirm(self.asked);
                }
                self.tell(false, writer);
                self.answer(writer);
            }
            Done::Changed => {
                self.files.cache.borrow_mut().remove(&self.request.path);
                self.find_again(writer);
            }
            Done::Made { of, coding, variant } => {
                self.making = None;
                self.files.cache.borrow_mut().update(&self.request.path, |entry| {
                    let is_of_it = entry.identity.etag == of;
                    if let Some(variant) = variant.filter(|_| is_of_it) {
                        entry.others.push(*variant);
                    }
                    if entry.others.iter().any(|other| other.coding == coding) || !is_of_it {
                        entry.not_now.retain(|other| *other != coding);
                    }
                });
                self.answer(writer);
            }
        }
    }

    fn find_again(&mut self, writer: &mut Writer<'_, '_>) {
        match Name::of(&self.request.path) {
            Ok(name) => self.begin(Task::Find(name), writer),
            Err(_) => not_found(writer),
        }
    }

    fn found(&mut self, found: Found, writer: &mut Writer<'_, '_>) {
        self.tell(matches!(found, Found::Missing), writer);
        match found {
            Found::File(entry) => match self.keep(entry) {
                Ok(()) => self.answer(writer),
                Err(entry) => self.answer_with(entry, writer),
            },
            Found::Folder => self.redirect(writer),
            Found::Listing(page) => {
                let headers: [(&str, &[u8]); 4] = [
                    ("Content-Type", b"text/html; charset=utf-8"),
                    ("Cache-Control", b"no-cache"),
                    ("X-Content-Type-Options", b"nosniff"),
                    ("Content-Security-Policy", listing::POLICY),
                ];
                writer.send_shared(200, &headers, page.into());
            }
            Found::Missing => not_found(writer),
            Found::Forbidden => writer.send(403, &[TEXT], b"Forbidden\n"),
            Found::Failed(error) => {
                log::error!("{} could not be read: {error}", self.request.path);
                busy(writer);
            }
        }
    }

    /// Keeps an entry, or gives it back.
    fn keep(&self, entry: Box<Entry>) -> Result<(), Box<Entry>> {
        if entry.is_fleeting {
            return Err(entry);
        }
        self.files.cache.borrow_mut().insert(&self.request.path, entry, self.asked)
    }

    /// The pool has too much to do. What is kept is served as it is: later is too late.
    fn failed(&mut self, writer: &mut Writer<'_, '_>) {
        let files = Rc::clone(&self.files);
        let mut cache = files.cache.borrow_mut();
        match cache.get(&self.request.path) {
            Some(kept) if self.carry_out(&kept.entry, writer).is_none() => {}
            _ => busy(writer),
        }
    }

    /// Links within a folder are relative to its path with the slash.
    fn redirect(&self, writer: &mut Writer<'_, '_>) {
        let Ok(name) = Name::of(&self.request.path) else { return busy(writer) };
        let query = self.request.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
        let place = format!("{}{query}", name.with_slash());
        writer.send(301, &[("Location", place.as_bytes()), TEXT], b"Moved Permanently\n");
    }

    /// Answers with an entry that is not kept.
    fn answer_with(&mut self, mut entry: Box<Entry>, writer: &mut Writer<'_, '_>) {
        entry.is_compressible = false;
        self.carry_out(&entry, writer);
    }

    /// Answers with the entry that is kept; if it has gone meanwhile, it is sought again.
    fn answer(&mut self, writer: &mut Writer<'_, '_>) {
        let files = Rc::clone(&self.files);
        let mut cache = files.cache.borrow_mut();
        let Some(kept) = cache.get(&self.request.path) else {
            drop(cache);
            return self.find_again(writer);
        };
        let coding = self.carry_out(&kept.entry, writer);
        drop(cache);
        if let Some(coding) = coding {
            self.make(coding, writer);
        }
    }

    /// Answers with an entry, unless a coding must be made first.
    fn carry_out(&mut self, entry: &Entry, writer: &mut Writer<'_, '_>) -> Option<Coding> {
        let asked = Asked::new(self.request.is_head, Headers::of(&self.request.fields));
        let wall = writer.env().wall();
        match plan::plan(entry, &asked, wall, self.files.cache_control.as_deref(), false) {
            Plan::Make(coding) => return Some(coding),
            // Not planned for those who have waited.
            Plan::Prepared(..) => busy(writer),
            Plan::Short { status, fields, body } => {
                writer.send_shared(status, &as_headers(&fields), body);
            }
            Plan::Long { status, fields, length, file, pieces } => {
                let pieces = if self.request.is_head { Pieces::new() } else { pieces };
                let sending = self.sending.insert(Sending::new(file, pieces));
                sending.start(writer, status, &as_headers(&fields), length);
            }
        }
        None
    }
}

impl Exchange for Fetch {
    fn on_start(&mut self, writer: &mut Writer<'_, '_>) {
        let task = std::mem::replace(&mut self.task, Task::Nothing);
        self.begin(task, writer);
    }

    fn on_message(&mut self, message: Message, writer: &mut Writer<'_, '_>) {
        if let Some(sending) = &mut self.sending {
            return sending.on_message(message, writer);
        }
        let Message::Any(any) = message else { return };
        match any.downcast::<Done>() {
            Ok(done) => self.done(*done, writer),
            Err(any) if any.is::<OffloadFailed>() => self.failed(writer),
            Err(any) => {
                if let Some(known) = any.downcast_ref::<Known>() {
                    self.known(known, writer);
                }
            }
        }
    }

    fn on_drain(&mut self, writer: &mut Writer<'_, '_>) {
        if let Some(sending) = &mut self.sending {
            sending.on_drain(writer);
        }
    }

    fn on_timeout(&mut self, writer: &mut Writer<'_, '_>) {
        self.until = Moment::NEVER;
        match &mut self.sending {
            Some(sending) => sending.on_timeout(writer),
            None => {
                self.seeks = Seeks::Alone;
                self.answer(writer);
            }
        }
    }

    fn deadline(&self) -> Moment {
        self.sending.as_ref().map_or(self.until, Sending::deadline)
    }
}

impl Drop for Fetch {
    /// Whoever asked has left: somebody else may do what this one began.
    fn drop(&mut self) {
        if self.seeks == Seeks::First {
            self.files.waiting.borrow_mut().leave(&self.request.path);
        }
        if let Some(coding) = self.making {
            let mut cache = self.files.cache.borrow_mut();
            cache
                .update(&self.request.path, |entry| entry.not_now.retain(|other| *other != coding));
        }
    }
}

fn not_found(writer: &mut Writer<'_, '_>) {
    writer.send(404, &[TEXT], b"Not Found\n");
}

/// The machine is short of something.
fn busy(writer: &mut Writer<'_, '_>) {
    let response = Response::text(503, "the server is too busy for this request\n");
    writer.respond(response.with("Retry-After", "1"));
}
