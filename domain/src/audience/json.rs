//! Audiences as JSON: all that is kept of them, and what follows from it. Read back, they are the same to the bit.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::document::{Container, Number, ONE, Value};
use super::keys::{MAX_KEY, normal};
use super::{Audience, Cell, Collector, Error, Kind, MAX_KEYS, Reason, Tally, format};

/// Why JSON is no audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// As a document it would be left out.
    Document(Reason),
    /// It looks like an audience, but none is written like that.
    Audience,
    Error(Error),
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Document(reason) => {
                write!(out, "not an audience: the distribution cannot be read ({})", reason.name())
            }
            Self::Audience => write!(out, "not an audience: no audience has such fields or sums"),
            Self::Error(error) => error.fmt(out),
        }
    }
}

impl From<Error> for Malformed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// An audience as [`Audience::to_json`] writes it, or one document alone.
pub fn from_json<'a, C: Container<'a>>(document: Value<'a, C>) -> Result<Vec<u8>, Malformed> {
    if is_audience(document) {
        let bytes = restore(document).ok_or(Malformed::Audience)?;
        // Sums that cannot be are found where all bytes are checked.
        return if Audience::decode(&bytes).is_ok() { Ok(bytes) } else { Err(Malformed::Audience) };
    }
    let mut collector = Collector::default();
    collector.push(Some(document), None)?;
    let bytes = collector.finish();
    let refused = Audience::decode(&bytes)?.unreadable().next();
    match refused {
        Some((reason, _)) => Err(Malformed::Document(reason)),
        None => Ok(bytes),
    }
}

/// Whether it was written by [`Audience::to_json`], by its looks.
pub fn is_audience<'a, C: Container<'a>>(document: Value<'a, C>) -> bool {
    matches!(get(document, b"kinds"), Some(Value::Object(_))) && matches!(get(document, b"keys"), Some(Value::List(_)))
}

fn get<'a, C: Container<'a>>(document: Value<'a, C>, name: &[u8]) -> Option<Value<'a, C>> {
    let Value::Object(map) = document else { return None };
    map.fields().flatten().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// In units of 10^-18.
fn fixed<C>(value: Value<C>) -> Option<u128> {
    match value {
        Value::Number(Number::Whole(number)) => Some(u128::from(number) * ONE),
        Value::Number(Number::Fixed { value, .. }) => Some(value),
        _ => None,
    }
}

fn number<'a, C: Container<'a>>(document: Value<'a, C>, name: &[u8]) -> Option<u64> {
    match get(document, name)? {
        Value::Number(Number::Whole(number)) => Some(number),
        _ => None,
    }
}

fn restore<'a, C: Container<'a>>(document: Value<'a, C>) -> Option<Vec<u8>> {
    let mut tally =
        Tally { unknown: number(document, b"unknown")?, empty: number(document, b"empty")?, ..Tally::default() };
    let unreadable = get(document, b"unreadable")?;
    for (documents, name) in tally.unreadable.iter_mut().zip(Reason::NAMES) {
        *documents = number(unreadable, name.as_bytes()).unwrap_or(0);
    }
    let kinds = get(document, b"kinds")?;
    for (kind, name) in Kind::ALL.into_iter().zip(Kind::NAMES) {
        let Some(stated) = get(kinds, name.as_bytes()) else { continue };
        let portion = &mut tally.portions[kind as usize];
        portion.documents = number(stated, b"documents")?;
        if kind.has_base() {
            portion.base = fixed(get(stated, b"base")?)? / (ONE / 1000);
        }
    }
    let Value::List(entries) = get(document, b"keys")? else { return None };
    let mut keys = BTreeMap::<String, [Cell; 5]>::new();
    for entry in entries.values() {
        let entry = entry?;
        let Value::Text(key) = get(entry, b"key")? else { return None };
        let key = str::from_utf8(key).ok().filter(|key| key.len() <= MAX_KEY).map(normal)?;
        let cells = keys.entry(key).or_default();
        for (kind, name) in Kind::ALL.into_iter().zip(Kind::NAMES) {
            let Some(stated) = get(entry, name.as_bytes()) else { continue };
            let sum = fixed(get(stated, b"sum")?)?;
            let cell = &mut cells[kind as usize];
            cell.listed = cell.listed.checked_add(number(stated, b"listed")?)?;
            cell.sum = cell.sum.checked_add(if kind == Kind::Counts { sum / ONE } else { sum })?;
        }
        if keys.len() > MAX_KEYS {
            return None;
        }
    }
    for cells in keys.values() {
        for (portion, cell) in tally.portions.iter_mut().zip(cells) {
            portion.cells.push(*cell);
        }
    }
    let keys: Vec<_> = keys.keys().enumerate().map(|(place, key)| (key.as_str(), place)).collect();
    Some(format::encode(&tally, &keys))
}

impl Audience<'_> {
    /// How many documents are left out, and why.
    pub fn unreadable(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.tally.unreadable).filter(|(_, documents)| *documents > 0)
    }

    /// All of it as one JSON object, numbers exact.
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let basis = self.basis();
        let measure = basis.map(|basis| if basis.is_share() { "share" } else { "activity" });
        let weighting = basis.map(|basis| if basis.is_weighed() { "base" } else { "equal" });
        write!(out, "{{\"measure\": {}, \"weighting\": {}", Text(measure), Text(weighting))?;
        let people: Option<u128> = basis
            .filter(|basis| basis.is_weighed())
            .map(|basis| basis.kinds().iter().map(|kind| self.tally.portion(*kind).base).sum());
        match people {
            Some(people) => write!(out, ", \"base\": {}", Decimal::<3>(people))?,
            None => write!(out, ", \"base\": null")?,
        }
        write!(out, ", \"documents\": {}, \"left_out\": {}", self.documents(), self.left_out())?;
        write!(out, ", \"unknown\": {}, \"empty\": {}, \"unreadable\": {{", self.tally.unknown, self.tally.empty)?;
        for (place, (reason, documents)) in self.unreadable().enumerate() {
            write!(out, "{}\"{}\": {documents}", comma(place), reason.name())?;
        }
        write!(out, "}}, \"kinds\": {{")?;
        let kinds = || Kind::ALL.into_iter().filter(|kind| self.tally.portion(*kind).documents > 0);
        for (place, kind) in kinds().enumerate() {
            let portion = self.tally.portion(kind);
            write!(out, "{}\"{}\": {{\"documents\": {}", comma(place), Kind::NAMES[kind as usize], portion.documents)?;
            if kind.has_base() {
                write!(out, ", \"base\": {}", Decimal::<3>(portion.base))?;
            }
            out.push('}');
        }
        write!(out, "}}, \"keys\": [")?;
        for (place, part) in self.parts().enumerate() {
            write!(out, "{}{{\"key\": {}", comma(place), Text(Some(part.key)))?;
            match part.share {
                Some(share) => write!(out, ", \"share\": {share}")?,
                None => write!(out, ", \"share\": null")?,
            }
            for kind in kinds() {
                let Some(cell) = self.tally.portion(kind).cell(place) else { continue };
                write!(out, ", \"{}\": {{\"listed\": {}, \"sum\": ", Kind::NAMES[kind as usize], cell.listed)?;
                match kind {
                    Kind::Counts => write!(out, "{}}}", cell.sum)?,
                    _ => write!(out, "{}}}", Decimal::<18>(cell.sum))?,
                }
            }
            out.push('}');
        }
        write!(out, "]}}")
    }
}

fn comma(place: usize) -> &'static str {
    if place == 0 { "" } else { ", " }
}

struct Text<'a>(Option<&'a str>);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A text or nothing has a form in JSON.
        out.write_str(&serde_json::to_string(&self.0).unwrap_or_default())
    }
}

/// With as many decimals, zeros at the end left out.
struct Decimal<const DECIMALS: usize>(u128);

impl<const DECIMALS: usize> std::fmt::Display for Decimal<DECIMALS> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = 10_u128.pow(DECIMALS as u32);
        write!(out, "{}", self.0 / unit)?;
        let fraction = format!("{:0DECIMALS$}", self.0 % unit);
        match fraction.trim_end_matches('0') {
            "" => Ok(()),
            fraction => write!(out, ".{fraction}"),
        }
    }
}
