//! CPUs: which ones a process may run on, and keeping it to some of them.
//!
//! `load`, `serve` and `compare` use it, so that a client and a server on one machine do not take
//! each other's time. It never changes anything but the process itself, before its first thread.

use std::fmt;
use std::str::FromStr;

use super::failure::{Failure, Kind};

/// CPUs by number, as in `--cpus 0,2-3`: in order, each once, never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cpus(Vec<usize>);

/// More than any kernel is built for.
const MOST: usize = 8192;

impl Cpus {
    /// Their numbers.
    pub(super) fn numbers(&self) -> &[usize] {
        &self.0
    }

    /// Keeps this process to these CPUs. What it starts later inherits that.
    pub(super) fn pin(&self) -> Result<(), Failure> {
        system::pin(&self.0).map_err(|what| {
            Failure::new(Kind::Usage, format!("cannot run on CPU {self}: {what}")).advise(
                match allowed() {
                    Some(cpus) => format!("this process may use CPU {cpus}"),
                    None => "leave out --cpus".into(),
                },
            )
        })
    }
}

/// Those of `all` that are not among `taken`; nothing if there are none.
pub(super) fn others(all: &Cpus, taken: &Cpus) -> Option<Cpus> {
    let rest: Vec<usize> = all.0.iter().copied().filter(|cpu| !taken.0.contains(cpu)).collect();
    (!rest.is_empty()).then(|| Cpus::from(rest))
}

/// The CPUs that this process may run on, where the system tells.
pub(super) fn allowed() -> Option<Cpus> {
    system::allowed().filter(|numbers| !numbers.is_empty()).map(Cpus)
}

impl From<Vec<usize>> for Cpus {
    fn from(mut numbers: Vec<usize>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        Cpus(numbers)
    }
}

impl FromStr for Cpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const HELP: &str = "CPUs are numbers and ranges: 0 or 0,1 or 2-3,6";
        let mut numbers = Vec::new();
        for part in text.split(',') {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<usize>().map_err(|_| HELP);
            let (from, to) = (number(from)?, number(to)?);
            if from > to || to >= MOST {
                return Err(HELP.into());
            }
            numbers.extend(from..=to);
        }
        Ok(Cpus::from(numbers))
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, number) in self.0.iter().enumerate() {
            write!(f, "{}{number}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod system {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    /// The calling thread; threads that it starts inherit its set.
    const SELF: Pid = Pid::from_raw(0);

    pub(super) fn pin(numbers: &[usize]) -> Result<(), String> {
        let mut set = CpuSet::new();
        for &number in numbers {
            set.set(number).map_err(|_| format!("there is no CPU {number}"))?;
        }
        sched_setaffinity(SELF, &set).map_err(|error| error.desc().to_owned())
    }

    pub(super) fn allowed() -> Option<Vec<usize>> {
        let set = sched_getaffinity(SELF).ok()?;
        Some((0..CpuSet::count()).filter(|&number| set.is_set(number) == Ok(true)).collect())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn pin(_: &[usize]) -> Result<(), String> {
        Err("this system keeps no process to a CPU".into())
    }

    pub(super) fn allowed() -> Option<Vec<usize>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_read_and_shown() {
        for (text, numbers, shown) in [
            ("0", &[0][..], "0"),
            ("1,0,1", &[0, 1], "0,1"),
            ("2-4,0", &[0, 2, 3, 4], "0,2,3,4"),
            (" 3 ", &[3], "3"),
        ] {
            let cpus: Cpus = text.parse().unwrap();
            assert_eq!(cpus.numbers(), numbers, "{text}");
            assert_eq!(cpus.to_string(), shown);
        }
        for text in ["", ",", "a", "-1", "3-1", "0-999999999", "0;1"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_is_kept_to_a_cpu_that_it_may_use() {
        let cpus = allowed().unwrap();
        let first = Cpus::from(vec![cpus.numbers()[0]]);
        assert!(first.pin().is_ok());
        assert_eq!(allowed(), Some(first));
        assert!(Cpus::from(vec![MOST * 2]).pin().is_err());
    }
}
