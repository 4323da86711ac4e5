//! Commands that change the state of keys.

use tower_auth::{RegistryError, registry::KeyInfo};

use crate::{
    failure::Failure,
    list,
    open::Keys,
    options::Common,
    output::{Output, shown},
};

#[derive(Clone, Copy)]
pub(crate) enum Act {
    Pause,
    Resume,
    Activate,
    Deactivate,
    Revoke,
    Delete,
}

/// Changes each key. Neither a key that is refused nor a reader that has gone away stops the others.
pub(crate) async fn each(common: &Common, output: &Output, ids: &[String], act: Act) -> Result<(), Failure> {
    let keys = Keys::open(common).await?;
    let (mut refused, mut printed) = (Vec::new(), Ok(()));
    for id in ids {
        match one(&keys, id, act).await {
            Ok(key) => printed = printed.and(list::print_changed(output, &key)),
            Err(error @ RegistryError::Store(_)) => return Err(error.into()),
            Err(error) => refused.push(format!("{}: {error}", shown(id))),
        }
    }
    if refused.is_empty() { printed } else { Err(Failure::Refused(refused.join("\nkeys: "))) }
}

async fn one(keys: &Keys, id: &str, act: Act) -> Result<KeyInfo, RegistryError> {
    let Keys { registry, actor } = keys;
    match act {
        Act::Pause => registry.pause(actor, id).await,
        Act::Resume => registry.resume(actor, id).await,
        Act::Activate => registry.activate(actor, id).await,
        Act::Deactivate => registry.deactivate(actor, id).await,
        Act::Revoke => registry.revoke(actor, id).await,
        Act::Delete => registry.delete(actor, id).await,
    }
}
