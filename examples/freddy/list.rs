//! The list of an organisation's keys. The API numbers its pages and says how many keys there are; a store pages by a cursor.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_auth::{KeyRegistry, RegistryError, Rejection, registry::KeyFilter};

use crate::{
    common::caller::Caller,
    keys::{no_number, shown},
};

const LARGEST_PAGE: usize = 100;

/// How many keys are read from the store at once.
const BATCH: usize = 1000;

/// Clients use `page` and `page_size`, or `skip` and `take`.
#[derive(Deserialize)]
pub(crate) struct Part {
    page: Option<usize>,
    page_size: Option<usize>,
    skip: Option<usize>,
    take: Option<usize>,
}

impl Part {
    fn size(&self) -> usize {
        self.take.or(self.page_size).unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE)
    }

    fn number(&self) -> usize {
        self.page.unwrap_or(1).max(1)
    }

    fn skip(&self) -> usize {
        self.skip.unwrap_or((self.number() - 1).saturating_mul(self.size()))
    }
}

pub(crate) async fn list(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    Path(org): Path<String>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Value>, Rejection> {
    let Query(part) = part.map_err(|_| no_number("/page"))?;
    let (shown, total) = select(&keys, &caller, &org, &part).await?;
    let (number, size) = (part.number(), part.size());
    let pagination = json!({
        "page": number, "page_size": size, "total_count": total, "total_pages": total.div_ceil(size),
    });
    Ok(Json(json!({
        "keys": shown, "total": total, "page": number, "page_size": size, "api_keys": shown, "data": shown,
        "total_count": total, "pagination": pagination,
    })))
}

/// Returns the keys of the part, and how many there are in all. The count needs every page of the store, but no more than one
/// of them is in memory. An API without a count passes the cursor of a page to its clients, and reads one page.
async fn select(
    keys: &KeyRegistry,
    caller: &Caller,
    org: &str,
    part: &Part,
) -> Result<(Vec<Value>, usize), RegistryError> {
    let (skip, size) = (part.skip(), part.size());
    let mut filter = KeyFilter::organization(org).limit(BATCH);
    let (mut selected, mut total) = (Vec::new(), 0);
    loop {
        let page = keys.list(caller, &filter).await?;
        let part = page.items.iter().skip(skip.saturating_sub(total)).take(size - selected.len());
        selected.extend(part.map(|key| shown(key, org)));
        total += page.items.len();
        let Some(next) = page.next else { return Ok((selected, total)) };
        filter = filter.after(next);
    }
}
