//! `json` and `jsonb` in without a copy, `jsonb` out without a detour through text.

use std::ffi::CString;

use analytics_domain::audit::{Canonical, Document};
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::prelude::*;
use pgrx::{direct_function_call_as_datum, impl_sql_translatable, pg_sys};
use serde::ser::{Error as _, Impossible, Serialize, SerializeSeq, SerializeStruct, SerializeTuple, Serializer};

/// An argument of type `json`: its text, borrowed from the server's (detoasted) memory.
pub struct JsonText<'a>(pub &'a str);

impl_sql_translatable!(JsonText<'_>, "json");

// SAFETY: json is stored exactly like text, and `&str` unboxes that.
unsafe impl<'fcx> ArgAbi<'fcx> for JsonText<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        JsonText(unsafe { <&'fcx str as ArgAbi<'fcx>>::unbox_arg_unchecked(arg) })
    }
}

/// A result of type `jsonb`.
pub struct Jsonb(pg_sys::Datum);

impl_sql_translatable!(Jsonb, "jsonb");

impl Jsonb {
    /// From structs, enums without fields, lists, texts, numbers and flags; the server's own parser would spend as much time
    /// on the text of a document as reading the payload takes.
    pub fn of(value: &impl Serialize) -> Self {
        match value.serialize(Builder) {
            // SAFETY: the tree below `root` was allocated by the server; the result is a new allocation of it.
            Ok(mut root) => Self(pg_sys::Datum::from(unsafe { pg_sys::JsonbValueToJsonb(&mut root) })),
            Err(problem) => pgrx::error!("a document cannot be written as jsonb: {problem}"),
        }
    }
}

// SAFETY: the datum is a jsonb.
unsafe impl BoxRet for Jsonb {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        unsafe { fcinfo.return_raw_datum(self.0) }
    }
}

/// A `jsonb` as the server stores it, without the length before it: borrowed from an argument, or a copy of our own.
pub struct StoredJsonb<B>(pub B);

impl_sql_translatable!(StoredJsonb<&[u8]>, "jsonb");
impl_sql_translatable!(StoredJsonb<Vec<u8>>, "jsonb");

// SAFETY: a jsonb is a varlena like bytea, which is what the slice is unboxed from.
unsafe impl<'fcx> ArgAbi<'fcx> for StoredJsonb<&'fcx [u8]> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        StoredJsonb(unsafe { <&'fcx [u8] as ArgAbi<'fcx>>::unbox_arg_unchecked(arg) })
    }
}

impl IntoDatum for StoredJsonb<Vec<u8>> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        // A copy with the length before it, aligned as the server wants it.
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: the datum is a jsonb.
unsafe impl BoxRet for StoredJsonb<Vec<u8>> {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        match self.into_datum() {
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

// The server's form (utils/jsonb.h): a container is a header, an entry for each element, and the elements behind each
// other; an object has the keys first, sorted by (length, bytes), then the values.
const COUNT: u32 = 0x0FFF_FFFF;
const IS_SCALAR: u32 = 0x1000_0000;
const IS_OBJECT: u32 = 0x2000_0000;
const ENTRY_IS_END: u32 = 0x8000_0000;
const ENTRY_TYPE: u32 = 0x7000_0000;

/// Containers within containers. What was written must be readable at any depth of the stack: a bound of ours, far within
/// max_stack_depth, and not what happens to be left of it.
const MAX_DEPTH: usize = 256;

impl<B: AsRef<[u8]>> Document for StoredJsonb<B> {
    fn write(&self, to: &mut Canonical) -> Option<()> {
        let bytes = self.0.as_ref();
        if word(bytes, 0)? & IS_SCALAR != 0 {
            // A lone value is kept as an array of one.
            let entry = word(bytes, 4)?;
            return write_element(bytes.get(8..)?, 0, (entry & COUNT) as usize, entry, MAX_DEPTH, to);
        }
        write_container(bytes, MAX_DEPTH, to)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn write_container(bytes: &[u8], depth: usize, to: &mut Canonical) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    // SAFETY: raises when too little stack is left; nothing here has a destructor that matters.
    unsafe { pg_sys::check_stack_depth() };
    let header = word(bytes, 0)?;
    let count = (header & COUNT) as usize;
    let is_object = header & IS_OBJECT != 0;
    let entries = if is_object { count.checked_mul(2)? } else { count };
    let data = bytes.get(4 + entries * 4..)?;
    let entry = |index: usize| word(bytes, 4 + index * 4);
    let end_of =
        |start: usize, entry: u32| (entry & COUNT) as usize + if entry & ENTRY_IS_END != 0 { 0 } else { start };
    if !is_object {
        to.array(count);
        let mut start = 0;
        for index in 0..count {
            let element = entry(index)?;
            let end = end_of(start, element);
            write_element(data, start, end, element, depth, to)?;
            start = end;
        }
        return Some(());
    }
    to.object(count);
    let mut value_start = 0;
    for index in 0..count {
        value_start = end_of(value_start, entry(index)?);
    }
    let mut key_start = 0;
    for index in 0..count {
        let key_end = end_of(key_start, entry(index)?);
        to.key(data.get(key_start..key_end)?);
        key_start = key_end;
        let value = entry(count + index)?;
        let value_end = end_of(value_start, value);
        write_element(data, value_start, value_end, value, depth, to)?;
        value_start = value_end;
    }
    Some(())
}

fn write_element(data: &[u8], start: usize, end: usize, entry: u32, depth: usize, to: &mut Canonical) -> Option<()> {
    // Numbers and containers begin at the next multiple of four.
    let aligned = start.next_multiple_of(4);
    match entry & ENTRY_TYPE {
        0x0000_0000 => to.string(data.get(start..end)?),
        0x1000_0000 => write_numeric(data.get(aligned..end)?, to)?,
        0x2000_0000 => to.boolean(false),
        0x3000_0000 => to.boolean(true),
        0x4000_0000 => to.null(),
        0x5000_0000 => write_container(data.get(aligned..end)?, depth, to)?,
        _ => return None,
    }
    Some(())
}

/// A stored numeric (backend/utils/adt/numeric.c), with the length before it.
fn write_numeric(bytes: &[u8], to: &mut Canonical) -> Option<()> {
    // The length is in four bytes, or in one that is odd.
    let has_short_length = cfg!(target_endian = "little") && bytes.first()? & 1 == 1;
    write_numeric_value(bytes.get(if has_short_length { 1 } else { 4 }..)?, to)
}

/// The same without the length.
pub fn write_numeric_value(bytes: &[u8], to: &mut Canonical) -> Option<()> {
    let header = half(bytes, 0)?;
    let (is_negative, weight, digits) = match header & 0xC000 {
        // Infinities and NaN: the header says which.
        0xC000 => (false, header as i16, &bytes[..0]),
        0x8000 => {
            let weight = header & 0x3F;
            let weight = if header & 0x40 != 0 { weight | !0x3F } else { weight };
            (header & 0x2000 != 0, weight as i16, bytes.get(2..)?)
        }
        sign => (sign == 0x4000, half(bytes, 2)? as i16, bytes.get(4..)?),
    };
    let digits = digits.as_chunks::<2>().0;
    to.number(is_negative, weight, digits.iter().map(|digit| u16::from_ne_bytes(*digit)));
    Some(())
}

/// A copy in the server's memory, which frees it with the function's context.
fn allocated<T: Copy>(items: &[T]) -> *mut T {
    // SAFETY: palloc returns as many bytes as asked for, aligned for any type, or raises.
    unsafe {
        let copy = pg_sys::palloc(size_of_val(items)).cast::<T>();
        std::ptr::copy_nonoverlapping(items.as_ptr(), copy, items.len());
        copy
    }
}

fn text(value: &str) -> pg_sys::JsonbValue {
    // jsonb has no U+0000, which the parsers drop. Documents are far below 2 GB.
    let string = pg_sys::JsonbValue__bindgen_ty_1__bindgen_ty_1 {
        len: value.len() as i32,
        val: allocated(value.as_bytes()).cast(),
    };
    pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvString, val: pg_sys::JsonbValue__bindgen_ty_1 { string } }
}

fn number(numeric: pg_sys::Numeric) -> pg_sys::JsonbValue {
    pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvNumeric, val: pg_sys::JsonbValue__bindgen_ty_1 { numeric } }
}

fn null() -> pg_sys::JsonbValue {
    pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvNull, val: pg_sys::JsonbValue__bindgen_ty_1 { boolean: false } }
}

struct Builder;

struct List(Vec<pg_sys::JsonbValue>);

struct Object(Vec<(&'static str, pg_sys::JsonbValue)>);

impl Serializer for Builder {
    type Ok = pg_sys::JsonbValue;
    type Error = serde_json::Error;
    type SerializeSeq = List;
    type SerializeStruct = Object;
    type SerializeTuple = List;
    type SerializeTupleStruct = Impossible<Self::Ok, Self::Error>;
    type SerializeTupleVariant = Impossible<Self::Ok, Self::Error>;
    type SerializeMap = Impossible<Self::Ok, Self::Error>;
    type SerializeStructVariant = Impossible<Self::Ok, Self::Error>;

    fn serialize_bool(self, boolean: bool) -> Result<Self::Ok, Self::Error> {
        Ok(pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvBool, val: pg_sys::JsonbValue__bindgen_ty_1 { boolean } })
    }

    fn serialize_i64(self, value: i64) -> Result<Self::Ok, Self::Error> {
        // SAFETY: allocates a numeric.
        Ok(number(unsafe { pg_sys::int64_to_numeric(value) }))
    }

    fn serialize_f64(self, value: f64) -> Result<Self::Ok, Self::Error> {
        if !value.is_finite() {
            return Ok(null());
        }
        let digits = CString::new(value.to_string()).map_err(Self::Error::custom)?;
        // SAFETY: numeric_in takes a C string, a type it ignores and no modifier; the digits are a number's.
        let numeric = unsafe {
            direct_function_call_as_datum(
                pg_sys::numeric_in,
                &[digits.as_c_str().into_datum(), 0_i32.into_datum(), (-1_i32).into_datum()],
            )
        };
        Ok(numeric.map_or_else(null, |datum| number(datum.cast_mut_ptr())))
    }

    fn serialize_str(self, value: &str) -> Result<Self::Ok, Self::Error> {
        Ok(text(value))
    }

    fn serialize_none(self) -> Result<Self::Ok, Self::Error> {
        Ok(null())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<Self::Ok, Self::Error> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Self::Ok, Self::Error> {
        Ok(text(variant))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<List, Self::Error> {
        Ok(List(Vec::with_capacity(length.unwrap_or_default())))
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Object, Self::Error> {
        Ok(Object(Vec::with_capacity(length)))
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Self::Ok, Self::Error> {
        value.serialize(self)
    }

    fn serialize_i8(self, value: i8) -> Result<Self::Ok, Self::Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<Self::Ok, Self::Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<Self::Ok, Self::Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_u8(self, value: u8) -> Result<Self::Ok, Self::Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<Self::Ok, Self::Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<Self::Ok, Self::Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<Self::Ok, Self::Error> {
        self.serialize_i64(value.try_into().map_err(Self::Error::custom)?)
    }

    fn serialize_f32(self, value: f32) -> Result<Self::Ok, Self::Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_char(self, value: char) -> Result<Self::Ok, Self::Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_unit(self) -> Result<Self::Ok, Self::Error> {
        Ok(null())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Self::Ok, Self::Error> {
        Err(Self::Error::custom("bytes"))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Self::Ok, Self::Error> {
        Ok(null())
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Self::Ok, Self::Error> {
        Err(Self::Error::custom("an enum with fields"))
    }

    /// An array of fixed length.
    fn serialize_tuple(self, length: usize) -> Result<List, Self::Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Self::Error> {
        Err(Self::Error::custom("a tuple"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Self::Error> {
        Err(Self::Error::custom("an enum with fields"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Self::Error> {
        Err(Self::Error::custom("a map"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Self::Error> {
        Err(Self::Error::custom("an enum with fields"))
    }
}

impl SerializeTuple for List {
    type Ok = pg_sys::JsonbValue;
    type Error = serde_json::Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Self::Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Self::Ok, Self::Error> {
        SerializeSeq::end(self)
    }
}

impl SerializeSeq for List {
    type Ok = pg_sys::JsonbValue;
    type Error = serde_json::Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Self::Error> {
        self.0.push(value.serialize(Builder)?);
        Ok(())
    }

    fn end(self) -> Result<Self::Ok, Self::Error> {
        let array = pg_sys::JsonbValue__bindgen_ty_1__bindgen_ty_2 {
            nElems: self.0.len() as i32,
            elems: allocated(&self.0),
            rawScalar: false,
        };
        Ok(pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvArray, val: pg_sys::JsonbValue__bindgen_ty_1 { array } })
    }
}

impl SerializeStruct for Object {
    type Ok = pg_sys::JsonbValue;
    type Error = serde_json::Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Result<(), Self::Error> {
        self.0.push((key, value.serialize(Builder)?));
        Ok(())
    }

    fn end(mut self) -> Result<Self::Ok, Self::Error> {
        // The order in which jsonb keeps its keys, and looks for them; those of a struct are distinct.
        self.0.sort_unstable_by_key(|(key, _)| (key.len(), *key));
        let pairs: Vec<_> =
            self.0.iter().map(|(key, value)| pg_sys::JsonbPair { key: text(key), value: *value, order: 0 }).collect();
        let object =
            pg_sys::JsonbValue__bindgen_ty_1__bindgen_ty_3 { nPairs: pairs.len() as i32, pairs: allocated(&pairs) };
        Ok(pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvObject, val: pg_sys::JsonbValue__bindgen_ty_1 { object } })
    }
}
