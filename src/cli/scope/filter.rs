//! Which facts of a recording are wanted.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::units;
use crate::probe::{Fact, Record};
use crate::scope::recording::{NAMES, name};
use crate::time::Moment;
use crate::token::Token;

const HEADING: &str = "Which facts";

/// Every fact passes all that is asked.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Of these connections: 5.7, or 5 for all that had this index
    #[arg(long, value_name = "TOKEN,…", value_delimiter = ',', help_heading = HEADING)]
    token: Vec<Wanted>,
    /// Of these names, as they are printed
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = PossibleValuesParser::new(NAMES), help_heading = HEADING)]
    fact: Vec<String>,
    /// Not before this time since the loop began: 1.2s, 500ms
    #[arg(long, value_name = "TIME", value_parser = units::parse_time, help_heading = HEADING)]
    from: Option<Duration>,
    /// Not after this time
    #[arg(long, value_name = "TIME", value_parser = units::parse_time, help_heading = HEADING)]
    to: Option<Duration>,
}

impl Filter {
    /// True if it is wanted.
    pub(super) fn passes(&self, record: &Record) -> bool {
        self.spans(record.at)
            && (self.fact.is_empty() || self.fact.iter().any(|word| word == name(&record.fact)))
            && (self.token.is_empty() || self.is_of(&record.fact))
    }

    /// True if something is wanted that was found then and of whom.
    pub(super) fn wants(&self, at: Moment, token: Option<Token>) -> bool {
        let is_of = |token| self.token.iter().any(|one| one.is(token));
        self.spans(at) && (self.token.is_empty() || token.is_some_and(is_of))
    }

    fn spans(&self, at: Moment) -> bool {
        let after = |time: Option<Duration>| time.map(|time| Moment::START + time);
        after(self.from).is_none_or(|from| at >= from) && after(self.to).is_none_or(|to| at <= to)
    }

    fn is_of(&self, fact: &Fact) -> bool {
        // To its listener it belongs as well that somebody came.
        let from = match fact {
            Fact::Accepted { from, .. } => Some(*from),
            _ => None,
        };
        let tokens = [fact.token(), from];
        tokens.into_iter().flatten().any(|token| self.token.iter().any(|one| one.is(token)))
    }
}

/// A token, or all that had an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    index: u32,
    generation: Option<u32>,
}

impl Wanted {
    fn is(self, token: Token) -> bool {
        self.index as usize == token.index()
            && self.generation.is_none_or(|generation| generation == token.generation())
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || "a token is 5.7 (index and generation), or 5".to_owned();
        let (index, generation) = match text.trim_start_matches('#').split_once('.') {
            None => (text.trim_start_matches('#'), None),
            Some((index, generation)) => (index, Some(generation.parse().map_err(|_| help())?)),
        };
        Ok(Wanted { index: index.parse().map_err(|_| help())?, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_are_printed() {
        for (text, index, generation) in [("5.7", 5, Some(7)), ("#5.7", 5, Some(7)), ("5", 5, None)]
        {
            assert_eq!(text.parse(), Ok(Wanted { index, generation }));
        }
        for text in ["", "x", "5.", ".7", "5.7.9", "-1", "4294967296"] {
            assert!(text.parse::<Wanted>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_fact_passes_all_that_is_asked() {
        let token = Token::new(5, 7);
        let fact = Fact::Accepted { token, from: Token::new(0, 0) };
        let record = Record { at: Moment::from_nanos(1_200_000_000), fact };
        let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
        let filter = |token: &str, fact: &str, from, to| Filter {
            token: token.split_terminator(',').filter_map(|text| text.parse().ok()).collect(),
            fact: fact.split_terminator(',').map(String::from).collect(),
            from,
            to,
        };
        for (passes, filter) in [
            (true, filter("", "", None, None)),
            (true, filter("4,5.7", "read,accepted", seconds(1.2), seconds(1.2))),
            (true, filter("0", "", None, None)),
            (false, filter("5.8", "", None, None)),
            (false, filter("", "read", None, None)),
            (false, filter("", "", seconds(1.3), None)),
            (false, filter("", "", None, seconds(1.1))),
        ] {
            assert_eq!(filter.passes(&record), passes, "{filter:?}");
        }
    }
}
