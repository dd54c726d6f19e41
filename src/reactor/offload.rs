//! A small pool of threads for work that would stop the loop: files, `fsync`, long computation.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::session::{Job, Message, OffloadFailed};

type Done = Box<dyn FnOnce(Message) + Send>;

/// Threads that start with the first job and end when the pool is dropped and its queue is empty.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: usize,
    started: usize,
    cap: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Job, Done)>,
    idle: usize,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    pub(crate) fn new(threads: usize, cap: usize) -> Self {
        let shared = Shared { queue: Mutex::default(), ready: Condvar::new() };
        Pool { shared: Arc::new(shared), threads: threads.max(1), started: 0, cap }
    }

    /// Queues a job; false if the queue is full or no thread can be had.
    pub(crate) fn run(&mut self, job: Job, done: Done) -> bool {
        let mut queue = self.shared.lock();
        if queue.jobs.len() >= self.cap {
            return false;
        }
        if queue.idle <= queue.jobs.len() && self.started < self.threads {
            let shared = Arc::clone(&self.shared);
            let name = format!("readyloop-work-{}", self.started);
            if thread::Builder::new().name(name).spawn(move || work(&shared)).is_ok() {
                self.started += 1;
            } else if self.started == 0 {
                return false;
            }
        }
        queue.jobs.push_back((job, done));
        drop(queue);
        self.shared.ready.notify_one();
        true
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.ready.notify_all();
    }
}

fn work(shared: &Shared) {
    let mut queue = shared.lock();
    loop {
        if let Some((job, done)) = queue.jobs.pop_front() {
            drop(queue);
            // A job that panics must not take its thread along, nor leave its connection waiting.
            done(
                catch_unwind(AssertUnwindSafe(job))
                    .unwrap_or_else(|_| Message::any(OffloadFailed::default())),
            );
            queue = shared.lock();
        } else if queue.closed {
            return;
        } else {
            queue.idle += 1;
            queue = shared.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn jobs_run_elsewhere_and_a_panic_harms_nobody() {
        let (sender, receiver) = mpsc::channel();
        let mut pool = Pool::new(1, 8);
        let here = thread::current().id();
        for number in 0..3 {
            let sender = sender.clone();
            let job: Job = Box::new(move || {
                assert_ne!(thread::current().id(), here);
                if number == 1 {
                    std::panic::resume_unwind(Box::new("a bug in a job"));
                }
                Message::any(number)
            });
            assert!(
                pool.run(job, Box::new(move |message| sender.send(message).unwrap_or_default()))
            );
        }
        let outcomes: Vec<bool> = (0..3)
            .map(|_| matches!(receiver.recv(), Ok(Message::Any(any)) if any.is::<i32>()))
            .collect();
        assert_eq!(outcomes, [true, false, true]);
    }

    #[test]
    fn a_full_queue_refuses() {
        let (hold, held) = mpsc::channel::<()>();
        let mut pool = Pool::new(1, 1);
        let (started, has_started) = mpsc::channel();
        let wait: Job = Box::new(move || {
            let _ = started.send(());
            let _ = held.recv();
            Message::any(())
        });
        assert!(pool.run(wait, Box::new(drop)));
        has_started.recv().expect("the job starts");
        assert!(pool.run(Box::new(|| Message::any(())), Box::new(drop)));
        assert!(!pool.run(Box::new(|| Message::any(())), Box::new(drop)));
        drop(hold);
    }
}
