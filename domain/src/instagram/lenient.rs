//! Reading JSON whose types cannot be relied on: a field of another type than expected counts as "not said" instead of
//! spoiling the payload, keys nobody asked for are skipped without being stored, and text is borrowed where it can be.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What a JSON value becomes, by its type; a type that is left out gives the default, which means "not said".
pub(super) trait Lenient<'de>: Default {
    fn null() -> Self {
        Self::default()
    }

    fn flag(_: bool) -> Self {
        Self::default()
    }

    fn integer(_: i64) -> Self {
        Self::default()
    }

    fn float(_: f64) -> Self {
        Self::default()
    }

    fn text(_: Cow<'de, str>) -> Self {
        Self::default()
    }

    fn list<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn object<A: MapAccess<'de>>(mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    /// Whether this came from an object without any key.
    fn is_empty(&self) -> bool {
        false
    }

    fn read<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Reader::<Self>::new())
    }
}

/// The only errors are those of JSON itself: syntax, nesting deeper than serde_json allows, numbers beyond `f64`.
pub(super) fn from_json<'de, T: Lenient<'de>>(json: &'de str) -> Result<T, serde_json::Error> {
    let mut source = serde_json::Deserializer::from_str(json);
    let value = T::read(&mut source)?;
    source.end()?;
    Ok(value)
}

pub(super) struct Reader<T>(PhantomData<T>);

impl<T> Reader<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Lenient<'de>> DeserializeSeed<'de> for Reader<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<T, D::Error> {
        T::read(source)
    }
}

impl<'de, T: Lenient<'de>> Visitor<'de> for Reader<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::null())
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(i64::try_from(value).map_or_else(|_| T::default(), T::integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<T, E> {
        Ok(T::float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<T, E> {
        Ok(T::text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<T, E> {
        Ok(T::text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::list(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<T, A::Error> {
        T::object(entries)
    }
}

pub(super) type Text<'a> = Option<Cow<'a, str>>;
pub(super) type Flag = Option<bool>;
/// Also from whole floats and strings of digits. May be negative: that is how a hidden count is written.
pub(super) type Number = Option<i64>;
pub(super) type Decimal = Option<f64>;
/// The JSON as it stands, unread.
pub(super) type Raw<'a> = Option<&'a RawValue>;

impl<'de> Lenient<'de> for Text<'de> {
    fn text(value: Cow<'de, str>) -> Self {
        Some(value)
    }
}

impl<'de> Lenient<'de> for Flag {
    fn flag(value: bool) -> Self {
        Some(value)
    }
}

impl<'de> Lenient<'de> for Number {
    fn integer(value: i64) -> Self {
        Some(value)
    }

    fn float(value: f64) -> Self {
        // 2^63 is the first float beyond i64
        (value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0).then_some(value as i64)
    }

    fn text(value: Cow<'de, str>) -> Self {
        let digits = value.strip_prefix('-').unwrap_or(&value);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { value.parse().ok() } else { None }
    }
}

impl<'de> Lenient<'de> for Decimal {
    fn integer(value: i64) -> Self {
        Some(value as f64)
    }

    fn float(value: f64) -> Self {
        Some(value)
    }
}

impl<'de> Lenient<'de> for Raw<'de> {
    fn read<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(source).map(Some)
    }
}

/// An identifier: text, or a number written as one.
#[derive(Default)]
pub(super) struct Id<'a>(pub Text<'a>);

impl<'de> Lenient<'de> for Id<'de> {
    fn integer(value: i64) -> Self {
        Self((value >= 0).then(|| Cow::Owned(value.to_string())))
    }

    fn text(value: Cow<'de, str>) -> Self {
        Self(Some(value))
    }
}

/// The first `MAX` elements of an array; `None` when there was no array.
pub(super) struct List<T, const MAX: usize>(pub Option<Vec<T>>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    pub(super) fn first(self) -> Option<T> {
        self.into_iter().next()
    }
}

impl<T, const MAX: usize> IntoIterator for List<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.unwrap_or_default().into_iter()
    }
}

impl<'de, T: Lenient<'de>, const MAX: usize> Lenient<'de> for List<T, MAX> {
    fn list<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MAX
            && let Some(item) = items.next_element_seed(Reader::new())?
        {
            kept.push(item);
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self(Some(kept)))
    }
}

/// An object that may be missing, be there but empty (`null` or `{}`), or say something.
#[derive(Default)]
pub(super) enum Slot<T> {
    #[default]
    Absent,
    Nothing,
    Given(T),
}

impl<T> Slot<T> {
    pub(super) fn and_then<U>(self, next: impl FnOnce(T) -> Slot<U>) -> Slot<U> {
        match self {
            Slot::Absent => Slot::Absent,
            Slot::Nothing => Slot::Nothing,
            Slot::Given(value) => next(value),
        }
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Slot<U> {
        self.and_then(|value| Slot::Given(change(value)))
    }

    /// The one that says more; the first of two equals.
    pub(super) fn or(self, other: Slot<T>) -> Slot<T> {
        match (self, other) {
            (Slot::Given(value), _) | (_, Slot::Given(value)) => Slot::Given(value),
            (Slot::Absent, Slot::Absent) => Slot::Absent,
            _ => Slot::Nothing,
        }
    }
}

impl<'de, T: Lenient<'de>> Lenient<'de> for Slot<Box<T>> {
    fn null() -> Self {
        Slot::Nothing
    }

    fn object<A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error> {
        let value = T::object(entries)?;
        Ok(if value.is_empty() { Slot::Nothing } else { Slot::Given(Box::new(value)) })
    }
}

/// Defines structs read from JSON objects: `field: Type = "key"`. Of a key that comes twice the last value counts, as in PostgreSQL's jsonb.
macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident<$life:lifetime $(, $item:ident $(, $max:ident)?)?> { $($field:ident: $kind:ty = $key:literal,)* })*) => {$(
        $(#[$doc])*
        pub(super) struct $name<$life $(, $item $(, const $max: usize)?)?> {
            /// Whether the object had any key; also ties the lifetime where no field borrows.
            seen: Option<std::marker::PhantomData<&$life ()>>,
            $(pub(super) $field: $kind,)*
        }

        impl<$life $(, $item: Default $(, const $max: usize)?)?> Default for $name<$life $(, $item $(, $max)?)?> {
            fn default() -> Self {
                Self { seen: None, $($field: Default::default(),)* }
            }
        }

        impl<$life $(, $item: Lenient<$life> $(, const $max: usize)?)?> Lenient<$life> for $name<$life $(, $item $(, $max)?)?> {
            fn object<A: serde::de::MapAccess<$life>>(mut entries: A) -> Result<Self, A::Error> {
                let mut this = Self::default();
                while let Some(key) = entries.next_key_seed(Reader::<Text<$life>>::new())? {
                    this.seen = Some(std::marker::PhantomData);
                    match key.as_deref() {
                        $(Some($key) => this.$field = entries.next_value_seed(Reader::new())?,)*
                        _ => {
                            entries.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(this)
            }

            fn is_empty(&self) -> bool {
                self.seen.is_none()
            }
        }
    )*};
}
pub(super) use objects;
