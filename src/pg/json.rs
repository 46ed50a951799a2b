//! `json` in without a copy, `jsonb` out without a second document tree.

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::prelude::*;
use pgrx::{direct_function_call_as_datum, impl_sql_translatable, pg_sys};

/// An argument of type `json`: its text, borrowed from the server's (detoasted) memory.
pub struct JsonText<'a>(pub &'a str);

impl_sql_translatable!(JsonText<'_>, "json");

// SAFETY: json is stored exactly like text, and `&str` unboxes that.
unsafe impl<'fcx> ArgAbi<'fcx> for JsonText<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        JsonText(unsafe { <&'fcx str as ArgAbi<'fcx>>::unbox_arg_unchecked(arg) })
    }
}

/// A result of type `jsonb`, given as JSON text.
pub struct JsonbText(pub String);

impl_sql_translatable!(JsonbText, "jsonb");

impl IntoDatum for JsonbText {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        // The text comes from serde_json, which never writes a NUL; the parsers drop U+0000, which jsonb cannot hold.
        let text = std::ffi::CString::new(self.0).unwrap_or_default();
        // SAFETY: jsonb_in takes one C string, and copies what it keeps.
        unsafe { direct_function_call_as_datum(pg_sys::jsonb_in, &[text.as_c_str().into_datum()]) }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: `into_datum` gives a jsonb, or nothing, which is NULL.
unsafe impl BoxRet for JsonbText {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        match self.into_datum() {
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}
