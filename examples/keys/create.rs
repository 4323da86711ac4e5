//! Commands that issue a key: `create`, `rotate` and `replace`. Only the key goes to standard output.

use std::{io, time::Duration};

use serde_json::json;
use tower_auth::{ConfigError, NewKey, Restrictions, registry::IssuedKey};

use crate::{
    failure::Failure,
    open::Keys,
    options::{Common, NewOptions},
    output::{Output, shown},
    values::{Note, rfc3339},
};

pub(crate) async fn create(common: &Common, output: &Output, options: NewOptions) -> Result<(), Failure> {
    let new = new_key(options)?;
    let keys = Keys::with_scheme(common).await?;
    print(output, &keys.registry.create(&keys.actor, new).await?)
}

fn new_key(options: NewOptions) -> Result<NewKey, Failure> {
    let restrictions = restrictions(&options).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut new = NewKey::named(options.name)
        .account(options.account)
        .organizations(options.organizations)
        .scopes(options.scopes)
        .roles(options.roles)
        .restrictions(restrictions);
    if let Some(id) = options.id {
        new = new.id(id);
    }
    if let Some(subject) = options.subject {
        new = new.subject(subject);
    }
    if let Some(plan) = options.plan {
        new = new.plan(plan);
    }
    if let Some(environment) = options.environment {
        new = new.environment(environment);
    }
    if let Some(lifetime) = options.expires_in {
        new = new.expires_in(lifetime);
    }
    Ok(new.metadata(options.notes.into_iter().map(|Note(name, value)| (name, value.into())).collect()))
}

/// An empty list is none: it would admit nobody.
fn restrictions(options: &NewOptions) -> Result<Restrictions, ConfigError> {
    let mut restrictions = Restrictions::new();
    if !options.networks.is_empty() {
        restrictions = restrictions.networks(&options.networks)?;
    }
    if !options.origins.is_empty() {
        restrictions = restrictions.origins(&options.origins)?;
    }
    Ok(match options.idle_after {
        Some(idle) => restrictions.idle_after(idle),
        None => restrictions,
    })
}

pub(crate) async fn rotate(common: &Common, output: &Output, id: &str, overlap: Duration) -> Result<(), Failure> {
    let keys = Keys::with_scheme(common).await?;
    print(output, &keys.registry.rotate(&keys.actor, id, overlap).await?)
}

pub(crate) async fn replace(common: &Common, output: &Output, id: &str) -> Result<(), Failure> {
    let keys = Keys::with_scheme(common).await?;
    print(output, &keys.registry.replace(&keys.actor, id).await?)
}

fn print(output: &Output, issued: &IssuedKey) -> Result<(), Failure> {
    let (key, secret) = (&issued.key, issued.secret.expose());
    let end = key.expires_at().map_or_else(String::new, |end| format!(", valid until {}", rfc3339(Some(end))));
    output.note(&format!("created {}{end}; the key is shown only now:", shown(key.id())));
    let printed = output.either(secret, &json!({ "key": key.to_json(), "secret": secret }));
    printed.map_err(|error| unseen(key.id(), &error))
}

/// A key that nobody has seen is of no use, but it is valid.
fn unseen(id: &str, error: &io::Error) -> Failure {
    let id = shown(id);
    Failure::Refused(format!(
        "{id} was created, but it could not be printed, and nobody has seen it: {error}; \
         help: `keys replace {id}` revokes it and prints another key; `keys revoke {id}` only revokes it"
    ))
}
