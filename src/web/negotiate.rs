//! Proactive negotiation: `Accept`, `Accept-Encoding` and `Accept-Language` with their weights
//! (RFC 9110 §12.5).
//!
//! Called by whoever has several representations to choose from. Each function takes the values of
//! the request's fields ([`Headers::values`]) and what there is, best first, and returns the position
//! of what suits the client best; among equals the first. `None` means that nothing suits: 406, or the
//! default.
//!
//! [`Headers::values`]: crate::proto::h1::Headers::values

/// Chooses a media type for the values of `Accept` (RFC 9110 §12.5.1).
pub fn media<'h>(accept: impl Iterator<Item = &'h [u8]> + Clone, offers: &[&str]) -> Option<usize> {
    choose(offers, members(accept), |offer, member| {
        let (offered, parameters) = cut(offer.as_bytes(), b';');
        let (kind, subtype) = cut(offered.trim_ascii(), b'/');
        let (wanted_kind, wanted_subtype) = cut(member.name, b'/');
        let specificity = match (wanted_kind, wanted_subtype) {
            (b"*", b"*") => 1,
            (_, b"*") if wanted_kind.eq_ignore_ascii_case(kind) => 2,
            _ if member.name.eq_ignore_ascii_case(offered.trim_ascii()) && !subtype.is_empty() => 3,
            _ => return None,
        };
        let mut count = 0;
        for wanted in split(member.parameters, b';').filter(|part| !part.is_empty()) {
            let is_offered = split(parameters, b';').any(|offered| same_parameter(offered, wanted));
            if !is_offered {
                return None;
            }
            count += 1;
        }
        Some(specificity + count)
    })
    .unwrap_or(Some(0).filter(|_| !offers.is_empty()))
}

/// Chooses a content coding for the values of `Accept-Encoding` (RFC 9110 §12.5.3). What can be
/// sent as it is offers `identity`, which is chosen where the client says nothing.
pub fn encoding<'h>(
    accept: impl Iterator<Item = &'h [u8]> + Clone,
    offers: &[&str],
) -> Option<usize> {
    let identity = offers.iter().position(|offer| *offer == "identity");
    // Without the field any coding would do, but who does not say what it can decode mostly cannot.
    let Some(first) = accept.clone().next() else { return identity };
    if first.is_empty() && accept.clone().all(<[u8]>::is_empty) {
        return identity;
    }
    let suits = |offer: &str, member: &Member<'_>| match member.name {
        b"*" => Some(1),
        name if name.eq_ignore_ascii_case(offer.as_bytes()) => Some(2),
        // Names from before the registry (RFC 9110 §8.4.1).
        name if name.eq_ignore_ascii_case(b"x-gzip") && offer == "gzip" => Some(2),
        _ => None,
    };
    let list = members(accept);
    let mut best: Option<(u16, usize)> = None;
    for (at, offer) in offers.iter().enumerate() {
        let weight = match weight_of(offer, list.clone(), suits) {
            Some(weight) => weight,
            // Not named, it is acceptable still, after all that are.
            None if *offer == "identity" => 1,
            None => 0,
        };
        if weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, at));
        }
    }
    best.map(|(_, at)| at)
}

/// Chooses a language for the values of `Accept-Language`: by basic filtering (RFC 4647 §3.3.1), so
/// that `en` accepts `en-GB`; and, less specific, by lookup (§3.4), so that `en-GB` accepts `en`.
pub fn language<'h>(
    accept: impl Iterator<Item = &'h [u8]> + Clone,
    offers: &[&str],
) -> Option<usize> {
    choose(offers, members(accept), |offer, member| {
        let offer = offer.as_bytes();
        let begins = |long: &[u8], short: &[u8]| {
            long.get(..short.len()).is_some_and(|start| start.eq_ignore_ascii_case(short))
                && matches!(long.get(short.len()), None | Some(b'-'))
        };
        match member.name {
            b"*" => Some(1),
            // Longer ranges say more; those that only look up say less than any that filter.
            name if begins(offer, name) => Some(1000 + name.len()),
            name if begins(name, offer) => Some(2),
            _ => None,
        }
    })
    .unwrap_or(Some(0).filter(|_| !offers.is_empty()))
}

/// One member of a list: a name, its parameters but the weight, and the weight in thousandths.
#[derive(Clone, Copy, Debug)]
struct Member<'h> {
    name: &'h [u8],
    parameters: &'h [u8],
    weight: u16,
}

fn members<'h>(
    values: impl Iterator<Item = &'h [u8]> + Clone,
) -> impl Iterator<Item = Member<'h>> + Clone {
    values.flat_map(|value| split(value, b',')).filter_map(member)
}

/// Reads a member. One whose weight is none is left out, as if it had not been said.
fn member(text: &[u8]) -> Option<Member<'_>> {
    let (name, rest) = cut(text, b';');
    let name = name.trim_ascii_end();
    if name.is_empty() {
        return None;
    }
    let mut at = 0;
    for part in rest.split(|&byte| byte == b';') {
        if let [b'q' | b'Q', b'=', digits @ ..] = part.trim_ascii() {
            // What follows the weight is an extension that nobody ever used (RFC 9110 §12.5.1).
            let parameters = rest.get(..at).unwrap_or(rest);
            return Some(Member { name, parameters, weight: weight(digits)? });
        }
        at += part.len() + 1;
    }
    Some(Member { name, parameters: rest, weight: 1000 })
}

/// `qvalue` (RFC 9110 §12.4.2) in thousandths.
fn weight(text: &[u8]) -> Option<u16> {
    let (whole, fraction) = match text {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] => (whole, fraction),
        _ => return None,
    };
    if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| fraction.get(at).map_or(0, |digit| u16::from(digit - b'0'));
    let sum = u16::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2);
    (sum <= 1000).then_some(sum)
}

/// The weight of an offer is that of the most specific member that suits it.
fn weight_of<'h>(
    offer: &str,
    members: impl Iterator<Item = Member<'h>>,
    suits: impl Fn(&str, &Member<'h>) -> Option<usize>,
) -> Option<u16> {
    let mut best: Option<(usize, u16)> = None;
    for member in members {
        if let Some(specificity) = suits(offer, &member)
            && best.is_none_or(|(most, _)| specificity > most)
        {
            best = Some((specificity, member.weight));
        }
    }
    best.map(|(_, weight)| weight)
}

/// The offer with the greatest weight; the outer `None` if nothing was asked for.
fn choose<'h>(
    offers: &[&str],
    members: impl Iterator<Item = Member<'h>> + Clone,
    suits: impl Fn(&str, &Member<'h>) -> Option<usize>,
) -> Option<Option<usize>> {
    members.clone().next()?;
    let mut best: Option<(u16, usize)> = None;
    for (at, offer) in offers.iter().enumerate() {
        let weight = weight_of(offer, members.clone(), &suits).unwrap_or(0);
        if weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, at));
        }
    }
    Some(best.map(|(_, at)| at))
}

/// The same name, in any case, and the same value; quotes are spelling.
fn same_parameter(one: &[u8], other: &[u8]) -> bool {
    let ((name, value), (other_name, other_value)) = (cut(one, b'='), cut(other, b'='));
    let bare = |value: &[u8]| value.trim_ascii().trim_ascii_quotes().to_ascii_lowercase();
    name.trim_ascii().eq_ignore_ascii_case(other_name.trim_ascii())
        && bare(value) == bare(other_value)
}

trait Unquoted {
    fn trim_ascii_quotes(&self) -> &[u8];
}

impl Unquoted for [u8] {
    fn trim_ascii_quotes(&self) -> &[u8] {
        match self {
            [b'"', inner @ .., b'"'] => inner,
            bare => bare,
        }
    }
}

/// What is before the first `mark`, and what is after it.
fn cut(text: &[u8], mark: u8) -> (&[u8], &[u8]) {
    let at = text.iter().position(|&byte| byte == mark).unwrap_or(text.len());
    let (before, after) = text.split_at(at);
    (before, after.get(1..).unwrap_or(&[]))
}

/// The parts between marks that are not in a quoted string (RFC 9110 §5.6.4), trimmed.
pub(crate) fn split(text: &[u8], mark: u8) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let at = text.iter().position(|&byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => return byte == mark && !quoted,
            }
            false
        });
        let part = match at {
            Some(at) => {
                rest = text.get(at + 1..);
                text.get(..at).unwrap_or(text)
            }
            None => {
                rest = None;
                text
            }
        };
        Some(part.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields of one name, separated by `|`; "-" stands for none.
    fn fields(text: &str) -> impl Iterator<Item = &[u8]> + Clone {
        let none = text == "-";
        text.split('|').filter(move |_| !none).map(str::as_bytes)
    }

    #[test]
    fn media_types_are_chosen_by_weight_and_the_most_specific_range() {
        let offers = ["text/html", "application/json", "text/plain;format=flowed"];
        for (accept, expected) in [
            ("-", Some(0)),
            ("", Some(0)),
            ("*/*", Some(0)),
            ("application/json", Some(1)),
            ("APPLICATION/JSON", Some(1)),
            ("application/*", Some(1)),
            ("text/*", Some(0)),
            ("text/plain", Some(2)),
            ("text/plain;format=flowed", Some(2)),
            ("text/plain; FORMAT=\"Flowed\"", Some(2)),
            ("text/plain;format=fixed", None),
            ("image/png", None),
            ("image/png, */*;q=0.1", Some(0)),
            ("text/html;q=0.5, application/json;q=0.8", Some(1)),
            ("text/html;q=0.5|application/json;q=0.8", Some(1)),
            ("text/html;q=0, */*", Some(1)),
            ("text/*;q=0.3, text/html;q=0.7, */*;q=0.5", Some(0)),
            ("text/*, text/html;q=0.2, */*;q=0.5", Some(2)),
            ("*/*;q=0", None),
            ("text/html;q=0", None),
            ("application/json;q=2, text/html;q=0.1", Some(0)),
            ("application/json;q=0.1234, text/html;q=0.1", Some(0)),
            ("application/json;q=x", Some(0)),
            ("a/b;c=\"x,application/json\", text/html", Some(0)),
            ("application/json;q=1.000;ext=1, text/html;q=0.999", Some(1)),
            (",,application/json,", Some(1)),
            ("text/", None),
            ("text", None),
            ("*", None),
        ] {
            assert_eq!(media(fields(accept), &offers), expected, "{accept:?}");
        }
        assert_eq!(media(fields("-"), &[]), None);
    }

    #[test]
    fn codings_are_chosen_by_weight_and_identity_is_mostly_acceptable() {
        let offers = ["br", "gzip", "identity"];
        for (accept, expected) in [
            ("-", Some(2)),
            ("", Some(2)),
            ("gzip", Some(1)),
            ("gzip, deflate, br, zstd", Some(0)),
            ("GZIP", Some(1)),
            ("x-gzip", Some(1)),
            ("deflate", Some(2)),
            ("*", Some(0)),
            ("br;q=0.5, gzip;q=0.8", Some(1)),
            ("br;q=0, *", Some(1)),
            ("gzip;q=0", Some(2)),
            ("identity", Some(2)),
            ("identity;q=0.5, gzip;q=0.4", Some(2)),
            ("gzip;q=0.4, identity;q=0.5, *;q=0", Some(2)),
            ("*;q=0", None),
            ("identity;q=0", None),
            ("identity;q=0, gzip", Some(1)),
            ("deflate, identity;q=0", None),
            ("gzip|br;q=0.9", Some(1)),
            ("gzip;q=nonsense", Some(2)),
            ("gzip;q=0.000", Some(2)),
            ("gzip ; q=0.1", Some(1)),
        ] {
            assert_eq!(encoding(fields(accept), &offers), expected, "{accept:?}");
        }
        assert_eq!(encoding(fields("br"), &["gzip"]), None);
        assert_eq!(encoding(fields("-"), &["gzip"]), None);
    }

    #[test]
    fn languages_are_chosen_by_prefix() {
        let offers = ["en", "de-CH", "fr"];
        for (accept, expected) in [
            ("-", Some(0)),
            ("de", Some(1)),
            ("de-ch", Some(1)),
            ("de-AT", None),
            ("en-GB", Some(0)),
            ("en-GB, fr;q=0.9", Some(0)),
            ("fr, en;q=0.9", Some(2)),
            ("da, en;q=0.8, de;q=0.7", Some(0)),
            ("*;q=0.5, fr;q=0", Some(0)),
            ("*, en;q=0", Some(1)),
            ("e", None),
            ("deutsch", None),
            ("ja", None),
        ] {
            assert_eq!(language(fields(accept), &offers), expected, "{accept:?}");
        }
    }

    #[test]
    fn weights_have_at_most_three_digits() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1000)),
            ("0.", Some(0)),
            ("0.5", Some(500)),
            ("0.05", Some(50)),
            ("0.125", Some(125)),
            ("1.000", Some(1000)),
            ("1.001", None),
            ("0.1234", None),
            ("2", None),
            (".5", None),
            ("", None),
            ("-1", None),
            ("0,5", None),
        ] {
            assert_eq!(weight(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn quoted_marks_do_not_split() {
        let parts: Vec<_> = split(br#"a, "b,\",c" ,d,"e,f"#, b',').collect();
        assert_eq!(parts, [&b"a"[..], br#""b,\",c""#, b"d", b"\"e,f"]);
    }
}
