//! What a request asks of the sample, in its query.

use std::time::Duration;

use super::{Ask, CONNECTIONS, TURNS, told};
use crate::token::Token;
use crate::web::problem::Problem;
use crate::web::router::Request;

/// The shortest and the longest time between two samples, and the usual one, in milliseconds.
const SHORTEST: usize = 50;
const LONGEST: usize = 60_000;
const USUAL: usize = 500;

/// The longest text to look for, in bytes.
const LONGEST_FILTER: usize = 100;

pub(super) fn ask(request: &Request<'_>) -> Result<Ask, Problem> {
    let filter = request.query_value("filter").unwrap_or_default();
    if filter.len() > LONGEST_FILTER {
        return Err(wrong(format!("filter is at most {LONGEST_FILTER} bytes long")));
    }
    Ok(Ask {
        turns: number(request, "turns", TURNS)?.min(TURNS),
        connections: number(request, "connections", CONNECTIONS)?.min(CONNECTIONS),
        filter: filter.trim().to_owned(),
        follow: token(request, "follow")?,
    })
}

/// The time between two samples.
pub(super) fn every(request: &Request<'_>) -> Result<Duration, Problem> {
    let millis = number(request, "every", USUAL)?.clamp(SHORTEST, LONGEST);
    Ok(Duration::from_millis(millis as u64))
}

pub(super) fn token(request: &Request<'_>, name: &str) -> Result<Option<Token>, Problem> {
    match request.query_value(name) {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => match told::token(&text) {
            None => Err(wrong(format!("{name} is a connection's name, such as 5.7"))),
            token => Ok(token),
        },
    }
}

fn number(request: &Request<'_>, name: &str, usual: usize) -> Result<usize, Problem> {
    match request.query_value(name) {
        None => Ok(usual),
        Some(text) => text.parse().map_err(|_| wrong(format!("{name} is a number"))),
    }
}

pub(super) fn wrong(detail: String) -> Problem {
    Problem::new(400, "Bad Request").detail(detail)
}
