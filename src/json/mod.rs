//! Strict JSON: bytes to a value of a type, or everything that is wrong with them.
//!
//! One pass reads the bytes into the type and checks them while it reads. What it accepts is I-JSON (RFC 7493), so that
//! any other parser reads the same from the same bytes:
//!
//! ```
//! use tower_auth::json::{self, JsonError, JsonLimits};
//!
//! #[derive(serde::Deserialize)]
//! struct Login {
//!     email: String,
//!     password: String,
//! }
//!
//! let limits = JsonLimits::new();
//! let login: Login = json::from_slice(br#"{"email":"a@b.c","password":"hunter2"}"#, &limits)?;
//!
//! let typo = json::from_slice::<Login>(br#"{"email_adress":"a@b.c","password":"hunter2"}"#, &limits);
//! let Err(JsonError::Fields(fields)) = typo else { panic!() };
//! assert_eq!(fields[0].pointer(), "/email_adress");
//! assert_eq!(fields[0].reason(), "unknown field");
//! assert_eq!(fields[0].suggestion(), Some("email"));
//! # Ok::<_, JsonError>(())
//! ```
//!
//! # What is refused as no JSON
//!
//! The bytes come first, for the whole text, before any question about its shape: [`JsonError::Syntax`].
//!
//! - anything that RFC 8259 has not: comments, trailing commas, leading zeros, `NaN`, more than one value;
//! - bytes that are no UTF-8, a byte order mark, an escape that names half of a surrogate pair;
//! - an object with the same name twice, also where they are equal only after unescaping: `"a"` and `"\u0061"`;
//! - what is deeper or longer than [`JsonLimits`] say;
//! - a number too large for a double (`1e400`). A whole number beyond 2^53 is accepted, and exact where the type holds
//!   it (`u64`, `i128`); a number too small for a double is zero.
//!
//! Where the standard leaves the choice to the parser, this one decides so (the names are those of the public JSON
//! test suite's `i_` cases):
//!
//! | case | read as |
//! |---|---|
//! | `number_double_huge_neg_exp`, `number_real_underflow` | accepted: zero |
//! | `number_too_big_neg_int`, `number_too_big_pos_int`, `number_very_big_negative_int` | accepted: the type decides whether it holds it |
//! | `number_huge_exp`, `number_neg_int_huge_exp`, `number_pos_double_huge_exp`, `number_real_neg_overflow`, `number_real_pos_overflow` | refused: too large for a double |
//! | `object_key_lone_2nd_surrogate`, `string_1st_surrogate_but_2nd_missing`, `string_1st_valid_surrogate_2nd_invalid`, `string_incomplete_surrogate_and_escape_valid`, `string_incomplete_surrogate_pair`, `string_incomplete_surrogates_escape_valid`, `string_invalid_lonely_surrogate`, `string_invalid_surrogate`, `string_inverted_surrogates_U+1D11E`, `string_lone_second_surrogate` | refused: half a surrogate pair |
//! | `string_UTF-8_invalid_sequence`, `string_UTF8_surrogate_U+D800`, `string_invalid_utf-8`, `string_iso_latin_1`, `string_lone_utf8_continuation_byte`, `string_not_in_unicode_range`, `string_overlong_sequence_2_bytes`, `string_overlong_sequence_6_bytes`, `string_overlong_sequence_6_bytes_null`, `string_truncated-utf-8` | refused: no UTF-8 |
//! | `string_UTF-16LE_with_BOM`, `string_utf16BE_no_BOM`, `string_utf16LE_no_BOM` | refused: no UTF-8 |
//! | `structure_UTF-8_BOM_empty_object` | refused: a byte order mark |
//! | `structure_500_nested_arrays` | refused: too deep |
//!
//! Of the suite's `y_` cases, the two with the same name twice (`object_duplicated_key` and
//! `object_duplicated_key_and_value`) are refused too.
//!
//! # What is refused as another shape
//!
//! JSON that does not fit the type: [`JsonError::Fields`], with a JSON Pointer (RFC 6901) for every field.
//!
//! - A name that a struct does not have, at any depth, with the documented name that was probably meant. All of them are
//!   told up to the first error that stops the type, and that error.
//! - A struct is an object: an array never fills it by position.
//! - All else is the type's business: missing fields, wrong types, unknown variants.
//!
//! # What a type cannot say
//!
//! Some types read a value before they know what it is to be, and then nobody sees their fields: `#[serde(flatten)]`,
//! `#[serde(untagged)]`, enums with a tag (`#[serde(tag = "…")]`, with `content` or without: the content may come first),
//! and `RawValue`. [`check_type`] finds them and says where they are. Write enums without these attributes, as
//! `{"variant": contents}`, and fields instead of `flatten`. It cannot see behind the first element of a tuple, behind the
//! keys of a map that are no text, number or boolean, nor into a `Deserialize` written by hand; where such a type is met
//! while a text is read, it is [`JsonError::Type`], and nothing gets in.
//!
//! A `HashMap` or a `serde_json::Value` in the type documents that anything goes there; the bytes in it are checked
//! all the same.
//!
//! # When not to use it
//!
//! For JSON that somebody else defines and may extend, as the answer of another service: an unknown field is none of
//! your business there.

mod access;
mod cursor;
mod error;
mod failure;
mod key;
mod limits;
mod loose;
mod names;
#[cfg(feature = "axum")]
mod param_access;
#[cfg(feature = "axum")]
mod param_notes;
#[cfg(feature = "axum")]
mod params;
mod pointer;
mod read;
mod reader;
mod shape;
mod state;
mod structure;
mod suggest;
mod variants;
mod violation;

#[cfg(feature = "axum")]
pub(crate) use self::param_notes::{Pair, ParamsError, Place, pointer as parameter_pointer};
#[cfg(feature = "axum")]
pub(crate) use self::params::from_pairs;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) use self::read::from_slice_seed;
#[cfg(feature = "strict-body")]
pub(crate) use self::read::string_member;
pub use self::{
    error::{JsonError, SyntaxError},
    limits::JsonLimits,
    read::{check, from_slice},
    shape::check_type,
    violation::FieldViolation,
};
