//! The driver of a load: a reactor as client, turned until the run is over.
//!
//! The command calls [`step`](Driver::step) again and again and hears what happens. The driver dials
//! what is vacant, wakes connections for what is due, and waits: in a closed loop for events, in an
//! open loop never longer than to a millisecond before the next request is due, since a poll's
//! time-out is no finer; the rest of that time it spins. It reads the time from the caller's clock.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::connection::tls::TlsPeer;
use crate::error::CloseReason;
use crate::load::crew::Crew;
use crate::load::desk::{Desk, SharedDesk, Terms};
use crate::load::mix::Mix;
use crate::load::plan::{Fresh, Pace, Plan};
use crate::load::recorder::Recorder;
use crate::load::schedule::{Phase, Schedule};
use crate::load::seat::Clock;
use crate::load::url::{Scheme, Url};
use crate::measure::Outcome;
use crate::reactor::Reactor;
use crate::reactor::world::World;
use crate::time::Moment;

/// Connections under way at a time: a server's accept queue is not endless.
const DIALLING: usize = 256;
/// No wait is longer, so that whoever watches sees something move.
const LONGEST: Duration = Duration::from_millis(100);
/// What a poll may be late by.
const COARSE: Duration = Duration::from_millis(1);
/// Wakes of one step.
const WAKES: u64 = 4096;
/// How long answers are awaited still when somebody has interrupted the run.
const HURRY: Duration = Duration::from_millis(500);
/// No wait is longer while the end is held up by whoever watches.
const HELD: Duration = Duration::from_millis(5);

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing new.
    None,
    /// All connections are open and were answered once, or patience is over; requests are sent from
    /// now on.
    Open,
    /// The measured window begins.
    Begin,
    /// It ends; answers that are owed are awaited.
    End,
    /// Nothing more will happen.
    Done,
}

/// A run of a load.
pub struct Driver<W: World> {
    reactor: Reactor<W>,
    desk: SharedDesk,
    crew: Crew,
    clock: Clock,
    plan: Plan,
    step: Step,
    began: Moment,
    ended: Moment,
    spins: bool,
    /// Places that nobody had answered when the window began.
    unready: u64,
    /// It does not finish.
    held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Opening,
    Warming,
    Measuring,
    Ending,
    Done,
}

impl<W: World> Driver<W> {
    /// A run of `plan` on `reactor`, over `tls` if the plan is secure. `clock` shows the precise time on the scale of the reactor's.
    ///
    /// # Errors
    ///
    /// There is no memory for what is measured.
    pub fn new(
        plan: Plan,
        tls: Option<TlsPeer>,
        reactor: Reactor<W>,
        clock: Clock,
    ) -> io::Result<Self> {
        let schedule = match &plan.pace {
            Pace::Closed => None,
            Pace::Open(phases) => Some(schedule(phases, plan.warmup)),
        };
        let same = schedule.is_none() && plan.fresh == Fresh::Kept;
        let recorder = Recorder::new(plan.connections, same).map_err(io::Error::other)?;
        let shares: Vec<f64> = plan.also.iter().map(|(_, share)| *share).collect();
        let terms = Terms {
            active: plan.connections,
            beside: plan.beside(),
            // Others say nothing until they are asked.
            idle: if plan.url.scheme.is_http() { plan.idle } else { 0 },
            // Datagrams wait in nobody's queue of connections.
            tries: plan.fresh == Fresh::Kept && plan.url.scheme != Scheme::Udp,
            depth: plan.depth,
            fresh: plan.fresh,
            patience: plan.patience,
            schedule,
            mix: Mix::new(&shares),
        };
        let crew = Crew::new(&plan, tls);
        let began = clock();
        Ok(Driver {
            desk: Rc::new(std::cell::RefCell::new(Desk::new(terms, recorder))),
            crew,
            reactor,
            clock,
            plan,
            step: Step::Opening,
            began,
            ended: Moment::NEVER,
            spins: false,
            unready: 0,
            held: false,
        })
    }

    /// Does what is due, and waits for a while.
    ///
    /// # Errors
    ///
    /// The poll itself failed.
    pub fn step(&mut self) -> io::Result<Event> {
        let now = (self.clock)();
        let event = self.proceed(now);
        if event == Event::Done {
            return Ok(event);
        }
        self.dial(now);
        self.wake(now);
        self.crew.sweep(&self.desk, &self.clock, now, &mut self.reactor);
        // What happens now is told before anything else does.
        let wait = if event == Event::None { self.wait((self.clock)()) } else { Duration::ZERO };
        self.reactor.turn(Some(wait))?;
        Ok(event)
    }

    /// Goes on to the next part of the run if it is time.
    fn proceed(&mut self, now: Moment) -> Event {
        let mut desk = self.desk.borrow_mut();
        match self.step {
            Step::Opening => {
                let (open, dialling) = desk.connections();
                let kept = if self.plan.fresh == Fresh::Kept { self.plan.connections } else { 0 };
                let is_open = open >= kept + self.plan.beside() && dialling == 0;
                let is_ready = is_open && desk.unready() == 0;
                if !is_ready && now < self.began + self.plan.patience {
                    return Event::None;
                }
                desk.start(now);
                let begin = now + self.plan.warmup;
                desk.recorder().measure(begin, self.plan.lasts);
                let active: Vec<_> = desk.active().collect();
                drop(desk);
                if self.plan.pace == Pace::Closed {
                    for (place, token) in active {
                        self.crew.wake(place, token, &self.desk, &self.clock, &mut self.reactor);
                    }
                }
                self.step = Step::Warming;
                Event::Open
            }
            Step::Warming if now >= desk.recorder().begin() => {
                self.step = Step::Measuring;
                desk.begin();
                self.unready = desk.unready() as u64;
                Event::Begin
            }
            Step::Measuring if now >= desk.recorder().end() => {
                desk.end(now, self.grace());
                self.step = Step::Ending;
                self.ended = now;
                Event::End
            }
            Step::Ending => {
                if now >= desk.last() {
                    desk.over(now);
                }
                let due = desk.next_due() <= now;
                let owes = desk.owed() > 0 && now < self.ended + self.plan.patience;
                if due || owes || self.held {
                    return Event::None;
                }
                desk.close(now);
                self.step = Step::Done;
                Event::Done
            }
            Step::Warming | Step::Measuring => Event::None,
            Step::Done => Event::Done,
        }
    }

    /// How long after the end of an open loop what was due in it is still sent. Not for long, or the
    /// rate of a server that cannot keep up would look as if it could.
    fn grace(&self) -> Duration {
        (self.plan.lasts / 20).min(self.plan.patience)
    }

    fn dial(&mut self, now: Moment) {
        loop {
            let mut desk = self.desk.borrow_mut();
            if desk.connections().1 >= DIALLING {
                return;
            }
            let Some(place) = desk.next_vacant(now) else { return };
            if desk.dials(place, now) {
                drop(desk);
                self.crew.dial(place, &self.desk, &self.clock, &mut self.reactor);
            }
        }
    }

    /// Tells free connections of what is due, each of one request.
    fn wake(&mut self, now: Moment) {
        let waiting = self.desk.borrow().waiting(now).min(WAKES);
        for _ in 0..waiting {
            let mut desk = self.desk.borrow_mut();
            match desk.next_free() {
                Some((place, Some(token))) => {
                    drop(desk);
                    self.crew.wake(place, token, &self.desk, &self.clock, &mut self.reactor);
                }
                Some((place, None)) if desk.dials(place, now) => {
                    drop(desk);
                    self.crew.dial(place, &self.desk, &self.clock, &mut self.reactor);
                }
                Some((_, None)) => {}
                None => return,
            }
        }
    }

    fn wait(&mut self, now: Moment) -> Duration {
        let mut desk = self.desk.borrow_mut();
        let (_, dialling) = desk.connections();
        let boundary = match self.step {
            Step::Warming => desk.recorder().begin(),
            Step::Measuring => desk.recorder().end(),
            Step::Ending => desk.last(),
            _ => Moment::NEVER,
        };
        let dial = if dialling < DIALLING { desk.next_dial() } else { Moment::NEVER };
        let longest = if self.held && self.step == Step::Ending { HELD } else { LONGEST };
        let wait = longest.min(boundary.since(now)).min(dial.since(now));
        // Nothing is due as long as nobody is free: an answer will wake us.
        if !desk.has_free() {
            return wait;
        }
        match desk.next_due().since(now) {
            due if due > COARSE => wait.min(due - COARSE),
            _ => {
                self.spins = true;
                Duration::ZERO
            }
        }
    }

    /// Whether it stays as it is after the window, with all connections open: somebody looks at the
    /// server, and what a load's end costs that one belongs to no window.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Ends the run early, or its end: what is there is reported.
    pub fn interrupt(&mut self) {
        let now = (self.clock)();
        let mut desk = self.desk.borrow_mut();
        desk.recorder().cut(now);
        self.plan.patience = self.plan.patience.min(HURRY);
        if matches!(self.step, Step::Opening | Step::Warming) {
            self.step = Step::Done;
        }
    }

    /// True if connections are to be open before the first request.
    pub fn expects_open(&self) -> bool {
        self.plan.fresh == Fresh::Kept
    }

    /// The length of the measured window.
    pub fn lasts(&self) -> Duration {
        self.plan.lasts
    }

    /// What is asked.
    pub fn url(&self) -> &Url {
        &self.plan.url
    }

    /// Answers and errors so far.
    pub fn progress(&self) -> (u64, u64) {
        self.desk.borrow_mut().recorder().progress()
    }

    /// True if any connection could be made.
    pub fn reached(&self) -> bool {
        self.desk.borrow().reached()
    }

    /// Why a connection failed most lately.
    pub fn failure(&self) -> Option<CloseReason> {
        self.desk.borrow().failure()
    }

    /// What TLS said of the first failure.
    pub fn fault(&self) -> Option<String> {
        self.desk.borrow().said().map(str::to_owned)
    }

    /// What was found. The caller adds what was asked and what its process spent.
    pub fn outcome(&self) -> Outcome {
        let mut desk = self.desk.borrow_mut();
        let (begin, end) = (desk.recorder().begin(), desk.recorder().end());
        let offered = desk.offered(begin, end);
        let mut outcome = desk.recorder().outcome(offered);
        outcome.connections = self.plan.connections as u64;
        outcome.unready = self.unready;
        outcome.url = self.plan.url.to_string();
        outcome.client.spins = self.spins;
        outcome
    }
}

/// The phases, after a warm-up at the first one's rate.
fn schedule(phases: &[Phase], warmup: Duration) -> Schedule {
    let warm = phases.first().map(|first| Phase { rate: first.rate, lasts: warmup });
    let all: Vec<Phase> = warm.into_iter().chain(phases.iter().copied()).collect();
    Schedule::new(&all)
}
