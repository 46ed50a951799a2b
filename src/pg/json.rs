//! `json` and `jsonb` in without a copy, `jsonb` out without a detour through text.

pub mod stored;

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

    /// A copy without the length before it.
    pub fn stored(&self) -> StoredJsonb<Vec<u8>> {
        // SAFETY: the datum is a jsonb that was just made, which is not compressed.
        StoredJsonb(unsafe { pgrx::varlena::varlena_to_byte_slice(self.0.cast_mut_ptr()) }.to_vec())
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

/// Containers within containers. What was written must be readable at any depth of the stack: a bound of ours, far within
/// max_stack_depth, and not what happens to be left of it.
const MAX_DEPTH: usize = 256;

impl<B: AsRef<[u8]>> StoredJsonb<B> {
    /// The document; nothing if its bytes are damaged.
    pub fn value(&self) -> Option<stored::Value<'_>> {
        stored::document(self.0.as_ref())
    }
}

impl<B: AsRef<[u8]>> Document for StoredJsonb<B> {
    fn write(&self, to: &mut Canonical) -> Option<()> {
        write_value(self.value()?, MAX_DEPTH, to)
    }
}

fn write_value(value: stored::Value, depth: usize, to: &mut Canonical) -> Option<()> {
    use stored::Value;
    match value {
        Value::Null => to.null(),
        Value::Boolean(value) => to.boolean(value),
        Value::Text(text) => to.string(text),
        Value::Number(number) => write_number(number, to)?,
        Value::List(list) => {
            let depth = deeper(depth)?;
            to.array(list.len());
            for element in list.values() {
                write_value(element?, depth, to)?;
            }
        }
        Value::Object(object) => {
            let depth = deeper(depth)?;
            to.object(object.len());
            for pair in object.pairs() {
                let (key, value) = pair?;
                to.key(key);
                write_value(value, depth, to)?;
            }
        }
    }
    Some(())
}

/// A few levels fit into what the server keeps free below max_stack_depth, so that most documents need no check.
const LEVELS_PER_CHECK: usize = 16;

fn deeper(depth: usize) -> Option<usize> {
    if depth < MAX_DEPTH && depth.is_multiple_of(LEVELS_PER_CHECK) {
        // SAFETY: raises when too little stack is left; nothing here has a destructor that matters.
        unsafe { pg_sys::check_stack_depth() };
    }
    depth.checked_sub(1)
}

fn write_number(number: stored::Numeric, to: &mut Canonical) -> Option<()> {
    let stored::Parts { is_negative, weight, digits, .. } = number.parts()?;
    to.number(is_negative, weight, digits.iter().map(|digit| u16::from_ne_bytes(*digit)));
    Some(())
}

/// A numeric that is stored by itself, without its length.
pub fn write_numeric_value(bytes: &[u8], to: &mut Canonical) -> Option<()> {
    write_number(stored::Numeric(bytes), to)
}

/// The jsonb of a text, by the server's parser.
pub fn parse(text: &std::ffi::CStr) -> Option<StoredJsonb<&[u8]>> {
    // SAFETY: jsonb_in takes a C string, and raises when it is no JSON; what it returns is in the current memory context.
    unsafe {
        let datum = direct_function_call_as_datum(pg_sys::jsonb_in, &[text.into_datum()])?;
        <&[u8]>::from_polymorphic_datum(datum, false, pg_sys::BYTEAOID).map(StoredJsonb)
    }
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
