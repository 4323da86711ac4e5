//! Strict JSON: reads bytes into a type, or reports everything that is wrong with them.
//!
//! One pass reads and checks the bytes. Only I-JSON (RFC 7493) is accepted, so every other parser reads the same value
//! from the same bytes:
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
//! # What is refused as invalid JSON
//!
//! Syntax errors ([`JsonError::Syntax`]) anywhere in the text take precedence over errors of shape. These are refused:
//!
//! - everything outside of RFC 8259: comments, trailing commas, leading zeros, `NaN`, more than one value;
//! - bytes that are not UTF-8, a byte order mark, an escape that names half of a surrogate pair;
//! - an object that has the same name twice, even if the names are equal only after unescaping: `"a"` and `"\u0061"`;
//! - nesting, strings and numbers beyond [`JsonLimits`];
//! - a number too large for a double (`1e400`). An integer beyond 2^53 is accepted, and is exact if the type can hold
//!   it (`u64`, `i128`). A number too small for a double is read as zero.
//!
//! The standard leaves some cases to the parser. This parser decides them as follows (the names are the `i_` cases of
//! the public JSON test suite):
//!
//! | case | read as |
//! |---|---|
//! | `number_double_huge_neg_exp`, `number_real_underflow` | accepted: zero |
//! | `number_too_big_neg_int`, `number_too_big_pos_int`, `number_very_big_negative_int` | accepted: the type decides whether it can hold the number |
//! | `number_huge_exp`, `number_neg_int_huge_exp`, `number_pos_double_huge_exp`, `number_real_neg_overflow`, `number_real_pos_overflow` | refused: too large for a double |
//! | `object_key_lone_2nd_surrogate`, `string_1st_surrogate_but_2nd_missing`, `string_1st_valid_surrogate_2nd_invalid`, `string_incomplete_surrogate_and_escape_valid`, `string_incomplete_surrogate_pair`, `string_incomplete_surrogates_escape_valid`, `string_invalid_lonely_surrogate`, `string_invalid_surrogate`, `string_inverted_surrogates_U+1D11E`, `string_lone_second_surrogate` | refused: half a surrogate pair |
//! | `string_UTF-8_invalid_sequence`, `string_UTF8_surrogate_U+D800`, `string_invalid_utf-8`, `string_iso_latin_1`, `string_lone_utf8_continuation_byte`, `string_not_in_unicode_range`, `string_overlong_sequence_2_bytes`, `string_overlong_sequence_6_bytes`, `string_overlong_sequence_6_bytes_null`, `string_truncated-utf-8` | refused: not UTF-8 |
//! | `string_UTF-16LE_with_BOM`, `string_utf16BE_no_BOM`, `string_utf16LE_no_BOM` | refused: not UTF-8 |
//! | `structure_UTF-8_BOM_empty_object` | refused: a byte order mark |
//! | `structure_500_nested_arrays` | refused: too deep |
//!
//! Two of the suite's `y_` cases are refused too, because they contain the same name twice: `object_duplicated_key` and
//! `object_duplicated_key_and_value`.
//!
//! # What is refused for its shape
//!
//! JSON that does not fit the type is [`JsonError::Fields`], with a JSON Pointer (RFC 6901) for every field.
//!
//! - A field that a struct does not have is an error, at any depth. If a documented name is similar, the error suggests
//!   this name. The unknown fields up to the first error of the type are reported (at most 32), together with that
//!   error.
//! - A struct is read from an object only, never from an array by position.
//! - All other errors come from the type: missing fields, wrong types, unknown variants.
//!
//! # Types that cannot be read strictly
//!
//! Some types buffer a value before they know how to read it, so unknown fields in it cannot be found:
//! `#[serde(flatten)]`, `#[serde(untagged)]`, enums with a tag (`#[serde(tag = "…")]`, with or without `content`,
//! because the content may come first), and `RawValue`. [`check_type`] finds these types and reports where they are.
//! Write enums without these attributes, as `{"variant": contents}`, and list the fields instead of using `flatten`.
//! [`check_type`] does not inspect the elements of a tuple after the first, a map with keys other than strings, numbers
//! and booleans, or a hand-written `Deserialize`. If a type in such a place cannot be read strictly, reading a text
//! returns [`JsonError::Type`] and no value.
//!
//! A `HashMap` or a `serde_json::Value` in the type documents that any content is allowed there. The syntax of that
//! content is still checked.
//!
//! # When not to use it
//!
//! Do not use it for JSON that another party defines and may extend, such as the response of another service. Unknown
//! fields must be ignored there.

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
