//! A JSON document, read where it is kept.

/// The unit of [`Number::Fixed`]: a fixed point with 18 decimals.
pub const ONE: u128 = 1_000_000_000_000_000_000;

/// A value of a document.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a, C> {
    Null,
    Boolean,
    /// Usually UTF-8; whoever needs to know must look.
    Text(&'a [u8]),
    Number(Number),
    List(C),
    Object(C),
}

/// A number, as exact as distributions need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// A count, written without a decimal point.
    Whole(u64),
    /// In units of 10^-18, rounded half up. `1.0` has a point, a whole number above 2^64 has none.
    Fixed {
        value: u128,
        has_point: bool,
    },
    Negative,
    /// Above 3.4e20.
    TooLarge,
    NotANumber,
}

/// A list or an object. Its iterators give `None` for an element that is damaged.
pub trait Container<'a>: Copy {
    /// The keys of an object as they are kept: equal for two objects only if their keys are. Nothing where they are apart.
    fn shape(self) -> Option<[&'a [u8]; 2]>;
    /// Of an object.
    fn fields(self) -> impl Iterator<Item = Option<(&'a [u8], Value<'a, Self>)>>;
    /// The elements of a list, or the values of an object.
    fn values(self) -> impl Iterator<Item = Option<Value<'a, Self>>>;
}
