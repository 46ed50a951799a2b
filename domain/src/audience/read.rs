//! Distributions as platforms, exports and tables write them.

use super::collect::{Mark, Names};
use super::document::{Container, Number, ONE, Value};
use super::{Error, MAX_KEYS, Reason};

/// Why a document adds nothing: for its own fault, or because nothing more can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    Document(Reason),
    Never(Error),
}

impl From<Reason> for Unread {
    fn from(reason: Reason) -> Self {
        Self::Document(reason)
    }
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Never(error)
    }
}

const DAMAGED: Unread = Unread::Never(Error::Damaged("a document is damaged"));

/// What the numbers of a document are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Not said: counts or shares, as the numbers show.
    Unsaid,
    Count,
    Share,
    Activity,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub slot: u32,
    pub number: Number,
    /// What is added.
    pub sum: u128,
}

/// A document that is being read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub entries: Vec<Entry>,
    measure: Option<Measure>,
    pub base: Option<Number>,
    label: Vec<u8>,
    before: Mark,
    layout: Layout,
}

/// The keys of a list's last entry, and which of its values are label and number.
#[derive(Debug, Default)]
struct Layout {
    entries: Vec<u8>,
    keys: Vec<u8>,
    label: usize,
    number: usize,
    measure: Option<Measure>,
}

/// The fields of a list's entries that are labels, in the order in which several make one key.
const LABELS: [&[u8]; 9] = [b"range", b"age", b"gender", b"country", b"city", b"hour", b"day", b"key", b"code"];
/// Distributions in distributions.
const DEPTH: usize = 3;

impl Draft {
    fn clear(&mut self) {
        self.entries.clear();
        self.measure = None;
        self.base = None;
    }

    pub(super) fn read<'a, C: Container<'a>>(
        &mut self,
        document: Value<'a, C>,
        names: &mut Names,
    ) -> Result<(), Unread> {
        self.clear();
        self.before = names.mark();
        self.distribution(document, DEPTH, names)
    }

    fn distribution<'a, C: Container<'a>>(
        &mut self,
        document: Value<'a, C>,
        depth: usize,
        names: &mut Names,
    ) -> Result<(), Unread> {
        let depth = depth.checked_sub(1).ok_or(Reason::Shape)?;
        match document {
            Value::Object(map) => self.map(map, depth, names),
            Value::List(list) => self.list(list, names),
            Value::Text(text) => self.percentages(text, names),
            Value::Null => Ok(()),
            Value::Boolean | Value::Number(_) => Err(Reason::Shape.into()),
        }
    }

    fn push(&mut self, written: &[u8], number: Number, measure: Measure, names: &mut Names) -> Result<(), Unread> {
        if *self.measure.get_or_insert(measure) != measure {
            return Err(Reason::Mixed.into());
        }
        if self.entries.len() == MAX_KEYS {
            return Err(Reason::TooMany.into());
        }
        let slot = names.slot(self.entries.len(), written)?;
        self.entries.push(Entry { slot, number, sum: 0 });
        Ok(())
    }

    /// `{"US": 3000}`, `{"US": 0.3}`, `{"US": "30%"}`, or an envelope.
    fn map<'a, C: Container<'a>>(&mut self, map: C, depth: usize, names: &mut Names) -> Result<(), Unread> {
        for field in map.fields() {
            match field.ok_or(DAMAGED)? {
                (b"base", Value::Number(number)) => self.base = Some(number),
                (key, Value::Number(number)) => self.push(key, number, Measure::Unsaid, names)?,
                (_, Value::Null) => {}
                (key, Value::Text(text)) if let Some(number) = percentage(text) => {
                    self.push(key, number, Measure::Share, names)?;
                }
                (_, value) => {
                    let otherwise = match value {
                        Value::Text(_) | Value::Boolean => Reason::NotANumber,
                        _ => Reason::Shape,
                    };
                    return self.envelope(map, otherwise, depth, names);
                }
            }
        }
        Ok(())
    }

    /// A distribution with things around it.
    fn envelope<'a, C: Container<'a>>(
        &mut self,
        map: C,
        otherwise: Reason,
        depth: usize,
        names: &mut Names,
    ) -> Result<(), Unread> {
        // Numbers before it were no entries.
        let base = self.base;
        self.clear();
        names.forget(self.before);
        self.base = base;
        let (mut content, mut contents) = (None, 0);
        for field in map.fields() {
            match field.ok_or(DAMAGED)? {
                (b"base", Value::Number(number)) => self.base = Some(number),
                (
                    name @ b"distribution",
                    value @ (Value::Null | Value::Object(_) | Value::List(_) | Value::Text(_)),
                )
                | (name @ (b"data" | b"breakdowns"), value @ Value::List(_))
                | (name @ b"total_value", value @ Value::Object(_))
                | (name @ b"value", value @ Value::Text(_)) => {
                    contents += 1;
                    content = Some((name, value));
                }
                _ => {}
            }
        }
        if contents > 1 {
            return Err(Reason::Several.into());
        }
        match content {
            Some((b"data", Value::List(list))) => self.answers(list, names),
            Some((b"breakdowns", Value::List(list))) => self.breakdowns(list, names),
            Some((b"total_value", Value::Object(total))) => self.total(total, names),
            Some((_, value)) => self.distribution(value, depth, names),
            None => Err(otherwise.into()),
        }
    }

    /// `[{"range": "18-24", "count": 1234}]`, with another label and another measure.
    fn list<'a, C: Container<'a>>(&mut self, list: C, names: &mut Names) -> Result<(), Unread> {
        for element in list.values() {
            let Value::Object(entry) = element.ok_or(DAMAGED)? else { return Err(Reason::Shape.into()) };
            if !self.entry_like_the_last(entry, names)? {
                self.entry(entry, names)?;
            }
        }
        Ok(())
    }

    /// An entry with the keys of the one before; false when it has others, or other things in them.
    fn entry_like_the_last<'a, C: Container<'a>>(&mut self, entry: C, names: &mut Names) -> Result<bool, Unread> {
        let (Some(measure), Some([entries, keys])) = (self.layout.measure, entry.shape()) else { return Ok(false) };
        if self.layout.entries != entries || self.layout.keys != keys {
            return Ok(false);
        }
        let (mut label, mut number) = (None, None);
        for (place, value) in entry.values().enumerate() {
            if place == self.layout.label {
                label = value;
            } else if place == self.layout.number {
                number = value;
            }
        }
        let (Some(Value::Text(label)), Some(Value::Number(number))) = (label, number) else { return Ok(false) };
        self.push(label, number, measure, names)?;
        Ok(true)
    }

    fn entry<'a, C: Container<'a>>(&mut self, entry: C, names: &mut Names) -> Result<(), Unread> {
        const MEASURES: [(&[u8], Measure); 5] = [
            (b"count", Measure::Count),
            (b"share", Measure::Share),
            (b"percentage", Measure::Share),
            (b"activity", Measure::Activity),
            (b"value", Measure::Unsaid),
        ];
        let mut labels = [None; LABELS.len()];
        let mut best: Option<(usize, Number)> = None;
        let mut has_measure = false;
        let (mut label_places, mut number_places) = ((0, 0), (0, 0));
        for (field_place, field) in entry.fields().enumerate() {
            let (name, value) = field.ok_or(DAMAGED)?;
            if let Some(label) = LABELS.iter().position(|label| *label == name) {
                labels[label] = Some(value);
                label_places = (label_places.0 + 1, field_place);
            } else if let Some(place) = MEASURES.iter().position(|(measure, _)| *measure == name) {
                has_measure = true;
                number_places = (number_places.0 + 1, field_place);
                let number = match value {
                    Value::Null => continue,
                    Value::Number(number) if name == b"percentage" => hundredth(number),
                    Value::Number(number) => number,
                    Value::Text(text) => percentage(text).unwrap_or(Number::NotANumber),
                    _ => Number::NotANumber,
                };
                if best.is_none_or(|(other, _)| place < other) {
                    best = Some((place, number));
                }
            }
        }
        // Of a count and its share the count is taken.
        let Some((place, number)) = best else {
            return if has_measure { Ok(()) } else { Err(Reason::Shape.into()) };
        };
        self.layout.measure = None;
        if let (1, 1, Some([entries, keys])) = (label_places.0, number_places.0, entry.shape())
            && MEASURES[place].0 != b"percentage"
        {
            self.layout.entries.clear();
            self.layout.entries.extend_from_slice(entries);
            self.layout.keys.clear();
            self.layout.keys.extend_from_slice(keys);
            self.layout.label = label_places.1;
            self.layout.number = number_places.1;
            self.layout.measure = Some(MEASURES[place].1);
        }
        let mut label = std::mem::take(&mut self.label);
        label.clear();
        let mut parts = labels.into_iter().flatten().peekable();
        if parts.peek().is_none() {
            return Err(Reason::Shape.into());
        }
        let mut is_first = true;
        for part in parts {
            if !std::mem::take(&mut is_first) {
                label.push(b'.');
            }
            match part {
                Value::Text(text) => label.extend_from_slice(text),
                Value::Number(Number::Whole(number)) => label.extend_from_slice(number.to_string().as_bytes()),
                Value::Null => label.extend_from_slice(b"unknown"),
                _ => return Err(Reason::Key.into()),
            }
        }
        let pushed = self.push(&label, number, MEASURES[place].1, names);
        self.label = label;
        pushed
    }

    /// Meta's whole answer; of an account that is too small it is empty.
    fn answers<'a, C: Container<'a>>(&mut self, list: C, names: &mut Names) -> Result<(), Unread> {
        for answer in list.values() {
            let Value::Object(answer) = answer.ok_or(DAMAGED)? else { return Err(Reason::Shape.into()) };
            let Some(Value::Object(total)) = get(answer, b"total_value")? else { return Err(Reason::Shape.into()) };
            self.total(total, names)?;
        }
        Ok(())
    }

    fn total<'a, C: Container<'a>>(&mut self, total: C, names: &mut Names) -> Result<(), Unread> {
        match get(total, b"breakdowns")? {
            Some(Value::List(list)) => self.breakdowns(list, names),
            _ => Err(Reason::Shape.into()),
        }
    }

    /// `[{"dimension_keys": ["timeframe", "country"], "results": [{"dimension_values": ["THIS_MONTH", "US"], "value": 5}]}]`
    fn breakdowns<'a, C: Container<'a>>(&mut self, list: C, names: &mut Names) -> Result<(), Unread> {
        for breakdown in list.values() {
            let Value::Object(breakdown) = breakdown.ok_or(DAMAGED)? else { return Err(Reason::Shape.into()) };
            let dimensions = match get(breakdown, b"dimension_keys")? {
                Some(Value::List(keys)) => {
                    keys.values().filter(|key| !matches!(key, Some(Value::Text(b"timeframe")))).count().max(1)
                }
                _ => 1,
            };
            let results = match get(breakdown, b"results")? {
                Some(Value::List(results)) => results,
                None | Some(Value::Null) => continue,
                Some(_) => return Err(Reason::Shape.into()),
            };
            if !self.entries.is_empty() {
                return Err(Reason::Several.into());
            }
            for result in results.values() {
                let Value::Object(result) = result.ok_or(DAMAGED)? else { return Err(Reason::Shape.into()) };
                self.result(result, dimensions, names)?;
            }
        }
        Ok(())
    }

    fn result<'a, C: Container<'a>>(&mut self, result: C, dimensions: usize, names: &mut Names) -> Result<(), Unread> {
        let number = match get(result, b"value")? {
            Some(Value::Number(number)) => number,
            Some(Value::Null) => return Ok(()),
            Some(_) => return Err(Reason::NotANumber.into()),
            None => return Err(Reason::Shape.into()),
        };
        let Some(Value::List(values)) = get(result, b"dimension_values")? else { return Err(Reason::Shape.into()) };
        // The timeframe, where it is said, comes first.
        let count = values.values().count();
        let mut label = std::mem::take(&mut self.label);
        label.clear();
        let mut is_first = true;
        for value in values.values().skip(count.saturating_sub(dimensions)) {
            let Value::Text(text) = value.ok_or(DAMAGED)? else { return Err(Reason::Key.into()) };
            if !std::mem::take(&mut is_first) {
                label.push(b'.');
            }
            label.extend_from_slice(text);
        }
        let pushed =
            if is_first { Err(Reason::Shape.into()) } else { self.push(&label, number, Measure::Count, names) };
        self.label = label;
        pushed
    }

    /// `Lagos: 30.6%, London, England: 3.6%`, as exports have it.
    fn percentages(&mut self, text: &[u8], names: &mut Names) -> Result<(), Unread> {
        let text = str::from_utf8(text).map_err(|_| Reason::Key)?;
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (entry, after) = rest.split_once('%').ok_or(Reason::Shape)?;
            let (key, number) = entry.rsplit_once(':').ok_or(Reason::Shape)?;
            let number = percent(number).ok_or(Reason::NotANumber)?;
            self.push(key.trim().as_bytes(), number, Measure::Share, names)?;
            rest = after.trim_start_matches([',', ';', ' ', '\u{a0}', '\n']);
        }
        Ok(())
    }

    /// What the numbers are; `has_base` if the audience is known to have more than one member.
    pub(super) fn measure(&self, has_base: bool) -> Result<Measure, Reason> {
        let measure = self.measure.unwrap_or(Measure::Count);
        if measure != Measure::Unsaid {
            return Ok(measure);
        }
        let (mut has_fraction, mut has_point, mut most, mut ones) = (false, false, 0, 0_usize);
        for entry in &self.entries {
            let (value, point) = match entry.number {
                Number::Whole(number) => (u128::from(number) * ONE, false),
                Number::Fixed { value, has_point } => (value, has_point),
                Number::Negative => return Err(Reason::Negative),
                Number::TooLarge => return Err(Reason::TooLarge),
                Number::NotANumber => return Err(Reason::NotANumber),
            };
            has_fraction |= value % ONE != 0;
            has_point |= point;
            most = most.max(value);
            ones += usize::from(value == ONE);
        }
        // Of zeros and one 1, people cannot be told from shares by the numbers: by how they are written, or by an audience
        // that is larger than they are.
        let is_share = has_fraction || (most <= ONE && (has_point || (ones == 1 && has_base)));
        Ok(if is_share { Measure::Share } else { Measure::Count })
    }
}

fn get<'a, C: Container<'a>>(map: C, name: &[u8]) -> Result<Option<Value<'a, C>>, Unread> {
    for field in map.fields() {
        let (key, value) = field.ok_or(DAMAGED)?;
        if key == name {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn hundredth(number: Number) -> Number {
    match number {
        // 2^64 hundredths are below the range.
        Number::Whole(number) => Number::Fixed { value: u128::from(number) * (ONE / 100), has_point: true },
        Number::Fixed { value, .. } => Number::Fixed { value: (value + 50) / 100, has_point: true },
        other => other,
    }
}

/// `12.5%`
fn percentage(text: &[u8]) -> Option<Number> {
    percent(str::from_utf8(text).ok()?.trim().strip_suffix('%')?)
}

/// The share that so many percent are: digits, with a point or a comma. What has more digits than a share keeps is cut off.
fn percent(text: &str) -> Option<Number> {
    let text = text.trim();
    if let Some(text) = text.strip_prefix(['-', '\u{2212}']) {
        return percent(text).map(|_| Number::Negative);
    }
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let Some(whole) = whole.parse::<u128>().ok().filter(|whole| *whole <= u128::from(u64::MAX)) else {
        return Some(Number::TooLarge);
    };
    let mut value = whole;
    let mut digits = fraction.bytes();
    for _ in 0..16 {
        value = value * 10 + u128::from(digits.next().unwrap_or(b'0') - b'0');
    }
    Some(Number::Fixed { value, has_point: true })
}
