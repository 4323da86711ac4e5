//! Commands that concern many keys.

use std::time::SystemTime;

use serde_json::json;
use tower_auth::registry::Holder;

use crate::{
    failure::Failure,
    open::Keys,
    options::{Common, HolderOption},
    output::{Output, shown},
};

pub(crate) async fn revoke_all(common: &Common, output: &Output, account: &str) -> Result<(), Failure> {
    let keys = Keys::open(common).await?;
    let revoked = keys.registry.revoke_all(&keys.actor, account).await?;
    Ok(output.either(&format!("revoked {revoked} keys"), &json!({ "revoked": revoked }))?)
}

pub(crate) async fn suspend(common: &Common, output: &Output, holder: HolderOption) -> Result<(), Failure> {
    let (keys, holder) = (Keys::open(common).await?, holder_of(holder)?);
    keys.registry.suspend(&keys.actor, holder.clone()).await?;
    print(output, &holder, true)
}

pub(crate) async fn reinstate(common: &Common, output: &Output, holder: HolderOption) -> Result<(), Failure> {
    let (keys, holder) = (Keys::open(common).await?, holder_of(holder)?);
    keys.registry.reinstate(&keys.actor, holder.clone()).await?;
    print(output, &holder, false)
}

pub(crate) fn holder_of(option: HolderOption) -> Result<Holder, Failure> {
    let organization = option.organization.map(Holder::organization);
    let holder = option.account.map(Holder::account).or(organization);
    holder.ok_or_else(|| Failure::Usage("name an account or an organisation".to_owned()))
}

fn print(output: &Output, holder: &Holder, suspended: bool) -> Result<(), Failure> {
    let text = format!("{} is {}suspended", shown(&holder.to_string()), if suspended { "" } else { "not " });
    Ok(output.either(&text, &json!({ holder.kind(): holder.id(), "suspended": suspended }))?)
}

pub(crate) async fn erase(common: &Common, output: &Output, account: &str, yes: bool) -> Result<(), Failure> {
    if !yes {
        let what = "its keys and its names in the audit log cannot be restored; confirm with --yes";
        return Err(Failure::Usage(what.to_owned()));
    }
    let keys = Keys::open(common).await?;
    keys.registry.erase_account(&keys.actor, account).await?;
    Ok(output.either("the account is erased", &json!({ "erased": true }))?)
}

pub(crate) async fn purge(common: &Common, output: &Output, before: SystemTime) -> Result<(), Failure> {
    let keys = Keys::open(common).await?;
    let purged = keys.registry.purge(&keys.actor, before).await?;
    Ok(output.either(&format!("purged {purged} keys"), &json!({ "purged": purged }))?)
}
