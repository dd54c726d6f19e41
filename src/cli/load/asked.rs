//! Rates and mixes as people write them: `--rate 5k:10s,30k:5s` and `--also URL@PERCENT`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::cli::units;
use crate::load::{Phase, Url};

/// The value of `--rate`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rate {
    /// One rate for the whole run.
    Constant(f64),
    /// One after the other.
    Phases(Vec<Phase>),
}

/// More than any machine answers; it keeps the arithmetic of schedules exact.
const MOST: f64 = 1e8;

impl Rate {
    /// The phases, the only one of which lasts `duration` if there are no others.
    pub(super) fn phases(&self, duration: Option<Duration>) -> Result<Vec<Phase>, String> {
        match (self, duration) {
            (Rate::Constant(rate), duration) => {
                let lasts = duration.unwrap_or(Duration::from_secs(10));
                Ok(vec![Phase { rate: *rate, lasts }])
            }
            (Rate::Phases(phases), None) => Ok(phases.clone()),
            (Rate::Phases(_), Some(_)) => {
                Err("the phases of --rate have their lengths: leave out --duration".into())
            }
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Constant(rate) => write!(f, "{rate}"),
            Rate::Phases(phases) => {
                for (number, phase) in phases.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{}", phase.rate, units::show_time(phase.lasts))?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains(':') {
            return parse_rate(text).map(Rate::Constant);
        }
        let phases: Result<Vec<Phase>, String> = text
            .split(',')
            .map(|part| {
                let (rate, time) =
                    part.split_once(':').ok_or("a phase is a rate and a time: 5k:10s")?;
                Ok(Phase { rate: parse_rate(rate)?, lasts: units::parse_time(time)? })
            })
            .collect();
        phases.map(Rate::Phases)
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    const HELP: &str = "a rate is requests a second: 500, 20k, 1.5k";
    let text = text.trim();
    let (number, factor) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => (text, 1.0),
    };
    let rate = number.parse::<f64>().map_err(|_| HELP)? * factor;
    if (0.0..=MOST).contains(&rate) { Ok(rate) } else { Err(HELP.into()) }
}

/// A value of `--also`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Also {
    pub(super) url: Url,
    /// Its share of one.
    pub(super) share: f64,
}

impl fmt::Display for Also {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.url, self.share * 100.0)
    }
}

impl FromStr for Also {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (url, percent) =
            text.rsplit_once('@').ok_or("URL@PERCENT, such as …/compute/10000@1")?;
        let percent = percent.trim_end_matches('%').parse::<f64>();
        match percent {
            Ok(percent) if percent > 0.0 && percent <= 100.0 => {
                Ok(Also { url: url.parse()?, share: percent / 100.0 })
            }
            _ => Err("a share is a part of 100: @1 or @0.5".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let ten = Some(Duration::from_secs(10));
        let rate = |text: &str| text.parse::<Rate>();
        let one = |rate, seconds| Phase { rate, lasts: Duration::from_secs(seconds) };
        assert_eq!(rate("500").unwrap().phases(ten), Ok(vec![one(500.0, 10)]));
        assert_eq!(rate("1.5k").unwrap().phases(None), Ok(vec![one(1500.0, 10)]));
        let phases = rate("5k:1s,0:2s,10:1m").unwrap();
        let list = vec![one(5000.0, 1), one(0.0, 2), one(10.0, 60)];
        assert_eq!(phases.phases(None), Ok(list));
        assert_eq!(rate(&phases.to_string()), Ok(phases.clone()));
        assert!(phases.phases(ten).is_err());
        for text in ["", "k", "-1", "nan", "inf", "1e9", "5k:", ":5s", "5k:1s,6k", "5k:1s,"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_read() {
        let also: Also = "http://h:1/a@b@0.5%".parse().unwrap();
        assert_eq!((&*also.url.path, also.share), ("/a@b", 0.005));
        for text in ["http://h/", "http://h/@0", "http://h/@101", "@5", "h@5"] {
            assert!(text.parse::<Also>().is_err(), "{text}");
        }
    }
}
