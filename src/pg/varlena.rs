//! Values of variable length where they are: read whole, or in parts without fetching the rest.

use std::marker::PhantomData;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::datum::Internal;
use pgrx::{FromDatum, pg_sys, varlena};

/// An argument of variable length, not yet fetched from where it is stored.
#[derive(Clone, Copy)]
pub struct Varlena<'a> {
    datum: pg_sys::Datum,
    lives: PhantomData<&'a [u8]>,
}

impl FromDatum for Varlena<'_> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        (!is_null).then_some(Self { datum, lives: PhantomData })
    }
}

// SAFETY: the datum is passed by reference and stays for the call.
unsafe impl<'fcx> ArgAbi<'fcx> for Varlena<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or_else(|| pgrx::error!("an argument is null"))
    }
}

/// A type of our own whose values are bytes: how functions take one, not yet read, and how they return one.
macro_rules! stored_type {
    ($argument:ident, $result:ident, $name:literal) => {
        #[doc = concat!("An argument of type `", $name, "`, not yet read.")]
        #[derive(Clone, Copy)]
        struct $argument<'a>($crate::pg::varlena::Varlena<'a>);

        #[doc = concat!("A result of type `", $name, "`.")]
        struct $result(Vec<u8>);

        pgrx::impl_sql_translatable!($argument<'_>, $name);
        pgrx::impl_sql_translatable!($result, $name);

        impl pgrx::FromDatum for $argument<'_> {
            unsafe fn from_polymorphic_datum(
                datum: pgrx::pg_sys::Datum,
                is_null: bool,
                oid: pgrx::pg_sys::Oid,
            ) -> Option<Self> {
                // SAFETY: the type's values are varlenas.
                unsafe { $crate::pg::varlena::Varlena::from_polymorphic_datum(datum, is_null, oid) }.map(Self)
            }
        }

        // SAFETY: as above.
        unsafe impl<'fcx> pgrx::callconv::ArgAbi<'fcx> for $argument<'fcx> {
            unsafe fn unbox_arg_unchecked(arg: pgrx::callconv::Arg<'_, 'fcx>) -> Self {
                Self(unsafe {
                    <$crate::pg::varlena::Varlena<'fcx> as pgrx::callconv::ArgAbi<'fcx>>::unbox_arg_unchecked(arg)
                })
            }
        }

        impl pgrx::IntoDatum for $result {
            fn into_datum(self) -> Option<pgrx::pg_sys::Datum> {
                self.0.into_datum()
            }

            fn type_oid() -> pgrx::pg_sys::Oid {
                // Only asked for arguments of queries and elements of arrays, which these never are.
                pgrx::pg_sys::BYTEAOID
            }
        }

        // SAFETY: the datum is a varlena like bytea.
        unsafe impl pgrx::callconv::BoxRet for $result {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut pgrx::callconv::FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
                match pgrx::IntoDatum::into_datum(self) {
                    Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
                    None => fcinfo.return_null(),
                }
            }
        }
    };
}
pub(crate) use stored_type;

/// The rest of a message that a receive function is called with.
pub fn message(message: &Internal) -> &[u8] {
    // SAFETY: the server calls a receive function with the message it has read; the bytes stay for the call.
    unsafe {
        let Some(message) = message.get::<pg_sys::StringInfoData>() else { pgrx::error!("there is no message") };
        let message = std::ptr::from_ref(message).cast_mut();
        let length = (*message).len - (*message).cursor;
        let start = pg_sys::pq_getmsgbytes(message, length);
        std::slice::from_raw_parts(start.cast::<u8>(), length as usize)
    }
}

impl<'a> Varlena<'a> {
    /// All its bytes: where they are, if they are in memory and not compressed, else a copy in the current memory context.
    pub fn bytes(self) -> &'a [u8] {
        // SAFETY: the datum is a varlena; the result lives as long as it or as the current context.
        unsafe { varlena::varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(self.datum.cast_mut_ptr())) }
    }

    /// Its length in bytes, without fetching it.
    pub fn len(self) -> usize {
        // SAFETY: only looks at its header; the size includes a length word.
        unsafe { pg_sys::toast_raw_datum_size(self.datum) }.saturating_sub(pg_sys::VARHDRSZ)
    }

    /// A part of it, shorter where it ends before; a copy in the current memory context.
    pub fn slice(self, range: std::ops::Range<usize>) -> &'a [u8] {
        // SAFETY: as in `bytes`.
        unsafe { varlena::varlena_to_byte_slice(self.fetch(range)) }
    }

    /// Appends a part of it, with no copy left behind. Only for what [`Self::is_in_parts`].
    pub fn read(self, range: std::ops::Range<usize>, into: &mut Vec<u8>) {
        let part = self.fetch(range);
        // SAFETY: of a value that is stored in parts, a part is a new allocation of the server, which nobody else has seen.
        unsafe {
            into.extend_from_slice(varlena::varlena_to_byte_slice(part));
            pg_sys::pfree(part.cast());
        }
    }

    fn fetch(self, range: std::ops::Range<usize>) -> *mut pg_sys::varlena {
        // No value is longer than an i32 says; what lies beyond the end is empty.
        let number = |number| i32::try_from(number).unwrap_or(i32::MAX);
        // SAFETY: the datum is a varlena.
        unsafe { pg_sys::pg_detoast_datum_slice(self.datum.cast_mut_ptr(), number(range.start), number(range.len())) }
    }

    /// Whether it is stored out of line and not compressed, so that a part can be read without the rest.
    pub fn is_in_parts(self) -> bool {
        // SAFETY: the datum is a varlena, of which only the header is looked at.
        unsafe {
            varlena::varatt_is_1b_e(self.datum.cast_mut_ptr())
                && pg_sys::toast_datum_size(self.datum) + pg_sys::VARHDRSZ == pg_sys::toast_raw_datum_size(self.datum)
        }
    }

    /// The same value for later calls of a set-returning function, to be read by [`Self::slice`]: a stored value stays where
    /// it is, anything else is copied into the current memory context.
    pub fn keep(self) -> Self {
        let pointer = self.datum.cast_mut_ptr::<pg_sys::varlena>();
        let is_in_parts = self.is_in_parts();
        // SAFETY: the datum is a varlena. What a pointer to a stored value leads to is kept by the statement's snapshot.
        let kept = unsafe {
            if is_in_parts {
                let size = varlena::varsize_any(pointer);
                let copy = pg_sys::palloc(size).cast::<u8>();
                std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), copy, size);
                copy.cast()
            } else {
                pg_sys::pg_detoast_datum_copy(pointer)
            }
        };
        Self { datum: pg_sys::Datum::from(kept), lives: PhantomData }
    }
}
