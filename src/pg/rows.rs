//! Rows of any table: their columns, whether two values are the same, and as `jsonb`.

use std::ffi::CStr;
use std::ptr;

use analytics_domain::audit::{Canonical, Document};
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::prelude::*;
use pgrx::{direct_function_call, direct_function_call_as_datum, impl_sql_translatable, pg_sys};

use super::json::{StoredJsonb, write_numeric_value};
use super::session;

/// An argument that is one row.
pub struct RowDatum(pg_sys::Datum);

impl_sql_translatable!(RowDatum, "record");

impl FromDatum for RowDatum {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        // SAFETY: rows are varlenas.
        (!is_null).then(|| Self(unsafe { pg_sys::pg_detoast_datum(datum.cast_mut_ptr()) }.into()))
    }
}

// SAFETY: the datum is what the SQL type promises.
unsafe impl<'fcx> ArgAbi<'fcx> for RowDatum {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or_else(|| pgrx::error!("an argument is null"))
    }
}

/// A column of a table; those that were dropped are not there.
pub struct Column {
    pub name: String,
    index: usize,
    kind: pg_sys::Oid,
    length: i16,
    by_value: bool,
}

/// The values of a row, dropped columns among them.
pub struct Row(Vec<Option<pg_sys::Datum>>);

/// How the rows of a table are read.
pub struct Reader {
    of: (pg_sys::Oid, i32),
    descriptor: pg_sys::TupleDesc,
    pub columns: Vec<Column>,
}

fn header(row: &RowDatum) -> pg_sys::HeapTupleHeader {
    row.0.cast_mut_ptr()
}

/// The table's row type, as the row itself says.
fn type_of(row: &RowDatum) -> (pg_sys::Oid, i32) {
    // SAFETY: a row datum begins with these fields.
    unsafe {
        let of = (*header(row)).t_choice.t_datum;
        (of.datum_typeid, of.datum_typmod)
    }
}

impl Reader {
    /// The descriptor is a copy in the memory context that is current.
    pub fn of(row: &RowDatum) -> Self {
        let of = type_of(row);
        // SAFETY: raises when there is no such type; the copy needs no counting of references.
        let descriptor = unsafe {
            let shared = pg_sys::lookup_rowtype_tupdesc(of.0, of.1);
            let copy = pg_sys::CreateTupleDescCopy(shared);
            if (*shared).tdrefcount >= 0 {
                pg_sys::DecrTupleDescRefCount(shared);
            }
            copy
        };
        // SAFETY: just made.
        unsafe { Self::by(of, descriptor) }
    }

    /// Of a table that is open as long as the reader is used.
    ///
    /// # Safety
    /// `table` is open.
    pub unsafe fn of_table(table: pg_sys::Relation) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self::by(((*(*table).rd_rel).reltype, -1), (*table).rd_att) }
    }

    /// # Safety
    /// `descriptor` is one, and lives as long as the reader.
    unsafe fn by(of: (pg_sys::Oid, i32), descriptor: pg_sys::TupleDesc) -> Self {
        // SAFETY: a descriptor has so many attributes behind each other.
        let attributes = unsafe { (*descriptor).attrs.as_slice((*descriptor).natts as usize) };
        let columns = attributes
            .iter()
            .enumerate()
            .filter(|(_, attribute)| !attribute.attisdropped)
            .map(|(index, attribute)| Column {
                // SAFETY: a name is ended by a NUL.
                name: unsafe { CStr::from_ptr(attribute.attname.data.as_ptr()) }.to_string_lossy().into_owned(),
                index,
                kind: attribute.atttypid,
                length: attribute.attlen,
                by_value: attribute.attbyval,
            })
            .collect();
        Self { of, descriptor, columns }
    }

    pub fn fits(&self, row: &RowDatum) -> bool {
        self.of == type_of(row)
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub fn read(&self, row: &RowDatum, into: &mut Row) {
        // SAFETY: the descriptor is the row's (`fits`), the arrays are as long as it says; a tuple is only looked at.
        unsafe {
            let count = (*self.descriptor).natts as usize;
            let mut tuple = pg_sys::HeapTupleData {
                t_len: pgrx::varlena::varsize(header(row).cast()) as u32,
                t_data: header(row),
                ..Default::default()
            };
            let mut values = [pg_sys::Datum::null(); 128];
            let mut nulls = [true; 128];
            if count <= values.len() {
                pg_sys::heap_deform_tuple(&mut tuple, self.descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
                into.set(values.iter().zip(nulls).take(count).map(|(value, null)| (!null).then_some(*value)));
            } else {
                let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); count], vec![true; count]);
                pg_sys::heap_deform_tuple(&mut tuple, self.descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
                into.set(values.into_iter().zip(nulls).map(|(value, null)| (!null).then_some(value)));
            }
        }
    }
}

impl Default for Row {
    fn default() -> Self {
        Self(Vec::with_capacity(32))
    }
}

impl Row {
    pub fn set(&mut self, values: impl Iterator<Item = Option<pg_sys::Datum>>) {
        self.0.clear();
        self.0.extend(values);
    }

    pub fn value(&self, column: &Column) -> Option<pg_sys::Datum> {
        self.0.get(column.index).copied().flatten()
    }

    /// The value of a column of type uuid.
    pub fn uuid(&self, column: Option<&Column>) -> Option<[u8; 16]> {
        let column = column.filter(|column| column.kind == pg_sys::UUIDOID)?;
        column.bytes(self.value(column)?).try_into().ok()
    }
}

impl Column {
    /// What a value that is passed by reference consists of, without its length; decompressed.
    fn bytes<'a>(&self, value: pg_sys::Datum) -> &'a [u8] {
        // SAFETY: the catalogue says how long values of the type are; the memory is the argument's or a palloc'd copy and
        // outlives the call, which is all callers here keep it for.
        unsafe {
            match self.length {
                -1 => pgrx::varlena::varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(
                    value.cast_mut_ptr::<pg_sys::varlena>(),
                )),
                -2 => CStr::from_ptr(value.cast_mut_ptr()).to_bytes(),
                length => std::slice::from_raw_parts(value.cast_mut_ptr(), length as usize),
            }
        }
    }

    pub fn same(&self, one: Option<pg_sys::Datum>, other: Option<pg_sys::Datum>) -> bool {
        match (one, other) {
            (None, None) => true,
            (Some(one), Some(other)) if self.by_value => one.value() == other.value(),
            (Some(one), Some(other)) => self.bytes(one) == self.bytes(other),
            _ => false,
        }
    }

    /// Writes a value in canonical form.
    pub fn write(&self, value: Option<pg_sys::Datum>, to: &mut Canonical) -> Option<()> {
        match value {
            None => to.optional(None),
            Some(value) if self.by_value => to.bytes(&(value.value() as i64).to_be_bytes()),
            Some(value) => match self.kind {
                pg_sys::JSONBOID => StoredJsonb(self.bytes(value)).write(to)?,
                pg_sys::NUMERICOID => write_numeric_value(self.bytes(value), to)?,
                _ => to.bytes(self.bytes(value)),
            },
        }
        Some(())
    }
}

/// What is hidden of a value.
const MASK: &CStr = c"***";

/// A `jsonb` object that is being built of columns.
pub struct Object(*mut pg_sys::JsonbParseState);

impl Default for Object {
    fn default() -> Self {
        let mut state = ptr::null_mut();
        // SAFETY: begins an object; the state is the server's.
        unsafe {
            pg_sys::pushJsonbValue(&mut state, pg_sys::JsonbIteratorToken::WJB_BEGIN_OBJECT, ptr::null_mut());
        }
        Self(state)
    }
}

impl Object {
    pub fn add(&mut self, column: &Column, value: Option<pg_sys::Datum>, is_masked: bool) {
        // SAFETY: the union's fields are written as the type says; strings are palloc'd or the row's own, and outlive
        // `finish`, which copies them.
        unsafe {
            let mut key = string(column.name.as_bytes());
            pg_sys::pushJsonbValue(&mut self.0, pg_sys::JsonbIteratorToken::WJB_KEY, &mut key);
            let mut json = match value {
                None => pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvNull, ..Default::default() },
                Some(_) if is_masked => string(MASK.to_bytes()),
                Some(value) => as_json(column, value),
            };
            pg_sys::pushJsonbValue(&mut self.0, pg_sys::JsonbIteratorToken::WJB_VALUE, &mut json);
        }
    }

    pub fn finish(mut self) -> StoredJsonb<Vec<u8>> {
        // SAFETY: ends the object that was begun; the result is a palloc'd varlena.
        unsafe {
            let root = pg_sys::pushJsonbValue(&mut self.0, pg_sys::JsonbIteratorToken::WJB_END_OBJECT, ptr::null_mut());
            let jsonb = pg_sys::JsonbValueToJsonb(root);
            StoredJsonb(pgrx::varlena::varlena_to_byte_slice(jsonb.cast()).to_vec())
        }
    }
}

fn string(bytes: &[u8]) -> pg_sys::JsonbValue {
    let string = pg_sys::JsonbValue__bindgen_ty_1__bindgen_ty_1 {
        len: bytes.len() as i32,
        val: bytes.as_ptr().cast_mut().cast(),
    };
    pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvString, val: pg_sys::JsonbValue__bindgen_ty_1 { string } }
}

fn numeric(numeric: pg_sys::Numeric) -> pg_sys::JsonbValue {
    pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvNumeric, val: pg_sys::JsonbValue__bindgen_ty_1 { numeric } }
}

/// A stored document as a value: pushJsonbValue takes it apart.
///
/// # Safety
/// `jsonb` is a jsonb with a length of four bytes.
unsafe fn binary(jsonb: *mut pg_sys::Jsonb) -> pg_sys::JsonbValue {
    let binary = pg_sys::JsonbValue__bindgen_ty_1__bindgen_ty_4 {
        len: unsafe { pgrx::varlena::varsize(jsonb.cast()) } as i32 - 4,
        data: unsafe { &raw mut (*jsonb).root },
    };
    pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvBinary, val: pg_sys::JsonbValue__bindgen_ty_1 { binary } }
}

/// Like to_jsonb(), but for what depends on settings of the session: times are in UTC, numbers exact.
///
/// # Safety
/// `value` is of the column's type.
unsafe fn as_json(column: &Column, value: pg_sys::Datum) -> pg_sys::JsonbValue {
    unsafe {
        match column.kind {
            pg_sys::BOOLOID => pg_sys::JsonbValue {
                type_: pg_sys::jbvType::jbvBool,
                val: pg_sys::JsonbValue__bindgen_ty_1 { boolean: value.value() != 0 },
            },
            pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID => {
                numeric(pg_sys::int64_to_numeric(value.value() as i64))
            }
            pg_sys::FLOAT4OID => float(column, value, f32::from_datum(value, false).map(|value| value.to_string())),
            pg_sys::FLOAT8OID => float(column, value, f64::from_datum(value, false).map(|value| value.to_string())),
            pg_sys::NUMERICOID => {
                let number: pg_sys::Numeric = pg_sys::pg_detoast_datum(value.cast_mut_ptr()).cast();
                if pg_sys::numeric_is_nan(number) || pg_sys::numeric_is_inf(number) {
                    output(column, value)
                } else {
                    numeric(number)
                }
            }
            pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID => string(column.bytes(value)),
            pg_sys::JSONBOID => binary(pg_sys::pg_detoast_datum(value.cast_mut_ptr()).cast()),
            pg_sys::DATEOID | pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID => {
                let buffer: *mut std::ffi::c_char = pg_sys::palloc(pg_sys::MAXDATELEN as usize + 1).cast();
                pg_sys::JsonEncodeDateTime(buffer, value, column.kind, &0);
                string(CStr::from_ptr(buffer).to_bytes())
            }
            kind if pg_sys::get_element_type(kind) != pg_sys::InvalidOid => {
                let array_to_json = || direct_function_call::<pg_sys::Datum>(pg_sys::array_to_json, &[Some(value)]);
                let text = neutrally(pg_sys::get_element_type(kind), array_to_json)
                    .and_then(|json| <&str>::from_datum(json, false))
                    .and_then(|json| std::ffi::CString::new(json).ok());
                match text
                    .and_then(|text| direct_function_call_as_datum(pg_sys::jsonb_in, &[text.as_c_str().into_datum()]))
                {
                    Some(jsonb) => binary(jsonb.cast_mut_ptr()),
                    None => pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvNull, ..Default::default() },
                }
            }
            _ => output(column, value),
        }
    }
}

/// A floating-point number by its shortest digits, which do not depend on extra_float_digits.
///
/// # Safety
/// `value` is of the column's type.
unsafe fn float(column: &Column, value: pg_sys::Datum, digits: Option<String>) -> pg_sys::JsonbValue {
    let digits = digits.filter(|digits| digits.bytes().all(|byte| !byte.is_ascii_alphabetic()));
    unsafe {
        digits
            .and_then(|digits| std::ffi::CString::new(digits).ok())
            .and_then(|digits| {
                let arguments = [digits.as_c_str().into_datum(), 0_i32.into_datum(), (-1_i32).into_datum()];
                direct_function_call_as_datum(pg_sys::numeric_in, &arguments)
            })
            .map_or_else(|| output(column, value), |number| numeric(number.cast_mut_ptr()))
    }
}

/// A value as the text its type prints.
///
/// # Safety
/// `value` is of the column's type.
unsafe fn output(column: &Column, value: pg_sys::Datum) -> pg_sys::JsonbValue {
    unsafe {
        let (mut function, mut is_varlena) = (pg_sys::InvalidOid, false);
        pg_sys::getTypeOutputInfo(column.kind, &mut function, &mut is_varlena);
        let text = neutrally(column.kind, || pg_sys::OidOutputFunctionCall(function, value));
        string(CStr::from_ptr(text).to_bytes())
    }
}

/// Runs `print` with the settings that values of a type may be printed by at what they are for everybody.
fn neutrally<R>(kind: pg_sys::Oid, print: impl FnOnce() -> R) -> R {
    const SETTINGS: [(&CStr, &CStr); 6] = [
        (c"timezone", c"UTC"),
        (c"datestyle", c"ISO, YMD"),
        (c"intervalstyle", c"postgres"),
        (c"extra_float_digits", c"1"),
        (c"bytea_output", c"hex"),
        (c"lc_monetary", c"C"),
    ];
    match kind {
        // The frequent ones, which no setting changes.
        pg_sys::UUIDOID
        | pg_sys::TEXTOID
        | pg_sys::VARCHAROID
        | pg_sys::INT8OID
        | pg_sys::INT4OID
        | pg_sys::INETOID => print(),
        _ => session::with_settings(&SETTINGS, print),
    }
}
