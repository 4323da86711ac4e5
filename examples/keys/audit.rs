//! `audit`: the log as a table, or as JSON lines for an export.

use tower_auth::registry::{AuditFilter, AuditRow};

use crate::{
    failure::Failure,
    open::Keys,
    options::{AuditOptions, Common},
    output::{Output, print_line},
    table::Table,
    values::rfc3339,
};

pub(crate) async fn audit(common: &Common, output: &Output, options: AuditOptions) -> Result<(), Failure> {
    let keys = Keys::open(common).await?;
    let mut left = options.limit.unwrap_or(usize::MAX);
    let mut filter = filter(options).limit(left.min(1000));
    let mut table = Table::new(["at", "actor", "action", "key", "account", "organization", "address", "request"]);
    while left > 0 {
        let page = keys.registry.audit(&keys.actor, &filter).await?;
        for row in page.items.iter().take(left) {
            if output.json {
                print_line(&row.to_string())?;
            } else {
                table.row(&cells(row));
            }
        }
        left = left.saturating_sub(page.items.len());
        match page.next {
            Some(next) => filter = filter.after(next),
            None => break,
        }
    }
    if !output.json {
        table.print()?;
    }
    Ok(())
}

fn filter(options: AuditOptions) -> AuditFilter {
    let mut filter = match (options.key, options.account) {
        (Some(key), _) => AuditFilter::key(key),
        (None, Some(account)) => AuditFilter::account(account),
        (None, None) => AuditFilter::all(),
    };
    if let Some(actor) = options.by {
        filter = filter.by(actor);
    }
    if let Some(since) = options.since {
        filter = filter.since(since);
    }
    if options.newest { filter.newest_first() } else { filter }
}

fn cells(row: &AuditRow) -> [String; 8] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        rfc3339(Some(row.at)),
        row.actor.clone(),
        row.action.as_str().to_owned(),
        text(&row.key),
        text(&row.account),
        text(&row.organization),
        row.address.map(|address| address.to_string()).unwrap_or_default(),
        text(&row.request_id),
    ]
}
