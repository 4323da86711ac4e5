//! The quotas of a bucket as a text.

use serde_json::Value;

use crate::limit::{
    layout::Layout,
    levels::MOST_WINDOWS,
    stored::{read, write},
};

/// Reads the quota of each place. `at` is the place of each window.
pub(super) fn layout_of(text: &str, at: Vec<u8>) -> Option<Layout<MOST_WINDOWS>> {
    let quotas: Value = serde_json::from_str(text).ok()?;
    let quotas = quotas.as_array()?.iter().map(read).collect::<Option<Vec<_>>>()?;
    let fits = quotas.len() <= MOST_WINDOWS && at.iter().all(|place| usize::from(*place) < quotas.len());
    fits.then(|| Layout::stored(quotas, at).ok())?
}

/// Returns the quota of each place as text.
pub(super) fn text_of(layout: &Layout<MOST_WINDOWS>) -> String {
    layout.quotas().map(write).collect::<Value>().to_string()
}
