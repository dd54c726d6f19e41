//! One fact from one JSON object.

use std::net::SocketAddr;

use serde_json::{Map, Value};

use super::read::Wrong;
use super::{fault, word};
use crate::error::CloseReason;
use crate::probe::{Call, Fact, Label, Labels, Operation, Origin, Record, Stage};
use crate::time::Moment;
use crate::token::Token;

/// Tokens of a higher index are refused: whoever keeps something for each index would be made to
/// keep as much as a file likes.
const INDICES: u32 = 1 << 20;

/// The record that a line's object is.
pub(super) fn record(object: &Map<String, Value>, labels: &mut Labels) -> Result<Record, Wrong> {
    let mut fields = Fields { object, labels };
    let at = Moment::from_nanos(fields.number("at")?);
    let name = fields.word("fact")?;
    Ok(Record { at, fact: fields.fact(name)? })
}

struct Fields<'a> {
    object: &'a Map<String, Value>,
    labels: &'a mut Labels,
}

impl<'a> Fields<'a> {
    fn fact(&mut self, name: &str) -> Result<Fact, Wrong> {
        match name {
            "polled" => {
                let (began, until) = (self.moment("began")?, self.moment("until")?);
                return Ok(Fact::Polled { began, until, events: self.count("events")? });
            }
            "woken" => return Ok(Fact::Woken { commands: self.count("commands")? }),
            "descriptors" => {
                let (used, limit) = (self.count("used")?, self.count("limit")?);
                return Ok(Fact::Descriptors { used, limit });
            }
            name if !word::NAMES.contains(&name) => return Err(Wrong::Fact(name.into())),
            _ => {}
        }
        let token = self.token("token")?;
        match name {
            "stale" => Ok(Fact::Stale { token }),
            "dialled" => Ok(Fact::Dialled { token }),
            "adopted" => Ok(Fact::Adopted { token }),
            "nobody-waits" => Ok(Fact::NobodyWaits { token }),
            "budget" => Ok(Fact::Budget { token }),
            "driven" => Ok(Fact::Driven { token }),
            "resumed" => Ok(Fact::Resumed { token }),
            "removed" => Ok(Fact::Removed { token }),
            "shed" => Ok(Fact::Shed { token }),
            "dropped" => Ok(Fact::Dropped { token }),
            "closed" => Ok(Fact::Closed { token, reason: self.reason()? }),
            _ => self.of(token, name),
        }
    }

    /// Facts of a socket that say more than that.
    fn of(&mut self, token: Token, name: &str) -> Result<Fact, Wrong> {
        Ok(match name {
            "event" => Fact::Event { token, bits: self.number("bits")? },
            "interest" => Fact::Interest { token, bits: self.number("bits")? },
            "accepted" => Fact::Accepted { token, from: self.token("from")? },
            "peer" => Fact::Peer { token, peer: self.peer()? },
            "read" => {
                Fact::Read { token, asked: self.count("asked")?, bytes: self.count("bytes")? }
            }
            "wrote" => {
                Fact::Wrote { token, asked: self.count("asked")?, bytes: self.count("bytes")? }
            }
            "failed" => {
                Fact::Failed { token, during: self.operation()?, errno: self.number("errno")? }
            }
            "called" => {
                Fact::Called { token, call: self.call("call")?, began: self.moment("began")? }
            }
            "request" => Fact::Request { token, label: self.label()? },
            "state" => {
                let (from, to) = (self.stage("from")?, self.stage("to")?);
                Fact::State { token, from, to, why: self.call("why")? }
            }
            "stall" => {
                let began = self.moment("began")?;
                Fact::Stall { token, began, computing: self.number("computing")? }
            }
            "blocked" => Fact::Blocked { token, writing: self.flag("writing")? },
            "armed" => Fact::Armed { token, due: self.moment("due")? },
            "fired" => Fact::Fired { token, due: self.moment("due")? },
            "buffer" => Fact::Buffer { token, unsent: self.count("unsent")? },
            "high-water" => Fact::HighWater { token, unsent: self.count("unsent")? },
            "low-water" => Fact::LowWater { token, unsent: self.count("unsent")? },
            "paused" => Fact::Paused { token, descriptors: self.flag("descriptors")? },
            "received" => Fact::Received { token, bytes: self.count("bytes")? },
            "sent" => Fact::Sent { token, bytes: self.count("bytes")? },
            name => return Err(Wrong::Fact(name.into())),
        })
    }

    fn value(&self, name: &'static str) -> Result<&'a Value, Wrong> {
        self.object.get(name).ok_or(Wrong::Missing(name))
    }

    /// A whole number of the size that the field has.
    fn number<T: TryFrom<i128>>(&self, name: &'static str) -> Result<T, Wrong> {
        let value = self.value(name)?;
        let number = value.as_u64().map(i128::from).or_else(|| value.as_i64().map(i128::from));
        number.and_then(|number| T::try_from(number).ok()).ok_or(Wrong::Field(name))
    }

    fn count(&self, name: &'static str) -> Result<usize, Wrong> {
        self.number(name)
    }

    fn flag(&self, name: &'static str) -> Result<bool, Wrong> {
        self.value(name)?.as_bool().ok_or(Wrong::Field(name))
    }

    fn moment(&self, name: &'static str) -> Result<Moment, Wrong> {
        match self.value(name)? {
            Value::Null => Ok(Moment::NEVER),
            _ => self.number(name).map(Moment::from_nanos),
        }
    }

    fn word(&self, name: &'static str) -> Result<&'a str, Wrong> {
        self.value(name)?.as_str().ok_or(Wrong::Field(name))
    }

    fn token(&self, name: &'static str) -> Result<Token, Wrong> {
        token(self.word(name)?).ok_or(Wrong::Field(name))
    }

    fn peer(&self) -> Result<Origin, Wrong> {
        match self.word("peer")? {
            "unknown" => Ok(Origin::Unknown),
            "unix" => Ok(Origin::Unix),
            text => text.parse::<SocketAddr>().map(Origin::from).map_err(|_| Wrong::Field("peer")),
        }
    }

    fn operation(&self) -> Result<Operation, Wrong> {
        let word = self.word("during")?;
        [Operation::Read, Operation::Write, Operation::Accept, Operation::Connect]
            .into_iter()
            .find(|operation| operation.as_str() == word)
            .ok_or(Wrong::Field("during"))
    }

    fn stage(&self, name: &'static str) -> Result<Stage, Wrong> {
        let word = self.word(name)?;
        Stage::ALL.into_iter().find(|stage| stage.as_str() == word).ok_or(Wrong::Field(name))
    }

    fn call(&self, name: &'static str) -> Result<Call, Wrong> {
        let word = self.word(name)?;
        Call::ALL.into_iter().find(|call| call.as_str() == word).ok_or(Wrong::Field(name))
    }

    /// Labels of a file are as bounded as those of a loop.
    fn label(&mut self) -> Result<Label, Wrong> {
        let text = self.word("label")?;
        if text.len() > Labels::LONGEST_TEXT {
            return Err(Wrong::Field("label"));
        }
        Ok(self.labels.number(text))
    }

    fn reason(&self) -> Result<CloseReason, Wrong> {
        match self.word("reason")? {
            "protocol" => {
                let what = self.word("what")?;
                Ok(CloseReason::Protocol(fault::fault(self.number("code")?, what)))
            }
            "io" => Ok(CloseReason::Io(word::error_kind(self.word("error")?))),
            word => word::reason(word).ok_or(Wrong::Field("reason")),
        }
    }
}

/// `5.7`, and `#5.7` as it is printed.
pub(super) fn token(text: &str) -> Option<Token> {
    let (index, generation) = text.strip_prefix('#').unwrap_or(text).split_once('.')?;
    let index = index.parse().ok().filter(|index| *index < INDICES)?;
    Some(Token::new(index, generation.parse().ok()?))
}
