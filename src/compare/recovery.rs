//! How long it took until latency was as before a disturbance, from an outcome's ticks.
//!
//! The command asks after a stall and after an overload.

use std::time::Duration;

use crate::measure::Tick;

/// So many ticks in a row must be as before: a single one may be luck.
const IN_A_ROW: usize = 3;

/// The time from the end of a disturbance to the first tick from which latency is as it was before
/// it, ms; nothing if there is nothing to compare with.
///
/// If that did not happen it is the time until the end of the ticks: it took at least so long, and
/// who never recovers is not to be ranked by its luckier runs. It is never less than a tick, because
/// nothing shorter can be seen. "As before" is no worse than the worst tick before, or than twice the middle one.
pub fn recovery_ms(ticks: &[Tick], (from, until): (Duration, Duration)) -> Option<f64> {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let width = ticks.get(1)?.at_ms - ticks.first()?.at_ms;
    let asked = |tick: &&Tick| tick.latency_max > 0;
    let mut before: Vec<u64> = ticks
        .iter()
        .filter(|tick| tick.at_ms + width <= ms(from))
        .filter(asked)
        .map(|tick| tick.latency_max)
        .collect();
    before.sort_unstable();
    let middle = before.get(before.len() / 2)?;
    let usual = middle.saturating_mul(2).max(*before.last()?);
    // A tick in which nothing was due says nothing.
    let after: Vec<&Tick> =
        ticks.iter().filter(|tick| tick.at_ms + width > ms(until)).filter(asked).collect();
    let calm = after
        .windows(IN_A_ROW)
        .find(|row| row.iter().all(|tick| tick.latency_max <= usual))
        .and_then(|row| row.first())
        .map(|tick| tick.at_ms);
    let end = ticks.last()?.at_ms + width;
    // A window that was cut before it has nothing to say of what followed.
    let recovered = calm.or_else(|| (end > ms(until)).then_some(end))?;
    Some((recovered - ms(until)).max(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks of 10 ms.
    fn ticks(latencies: &[u64]) -> Vec<Tick> {
        latencies
            .iter()
            .enumerate()
            .map(|(place, &latency_max)| Tick {
                at_ms: place as f64 * 10.0,
                latency_max,
                ..Tick::default()
            })
            .collect()
    }

    #[test]
    fn it_is_the_time_until_latency_is_as_before() {
        let middle = (Duration::from_millis(40), Duration::from_millis(60));
        for (latencies, expected) in [
            // Disturbed in the ticks 4 and 5, then slow in two more.
            (&[5, 6, 5, 6, 900, 900, 900, 300, 12, 6, 5][..], Some(20.0)),
            (&[5, 6, 5, 6, 900, 900, 6, 6, 6], Some(10.0)),
            // One good tick is luck.
            (&[5, 6, 5, 6, 900, 900, 6, 700, 6, 6, 6], Some(20.0)),
            (&[5, 6, 5, 6, 900, 900, 800, 800, 800, 800], Some(40.0)),
            // Only the last two are as before: it may have been luck.
            (&[5, 6, 5, 6, 900, 900, 800, 800, 6, 6], Some(40.0)),
            (&[5, 6, 5, 6, 900, 900], None),
            // Nothing was due: nothing to compare with.
            (&[0, 0, 0, 0, 900, 900, 6, 6, 6], None),
            (&[5], None),
            (&[], None),
        ] {
            assert_eq!(recovery_ms(&ticks(latencies), middle), expected, "{latencies:?}");
        }
    }
}
