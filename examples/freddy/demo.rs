//! The principals of the demo. Their keys are minted at every start and shown on the ready line, nowhere else.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tower_auth::{BoxError, KeyRecord, KeyScheme, KeyState, MemoryKeyStore, Quota, limit::Limits};

use crate::{login::Users, tokens::Mint};

pub(crate) const ORGANIZATION: &str = "org_demo";
const OTHER_ORGANIZATION: &str = "org_other";

const EMAIL: &str = "demo@example.com";

/// Creates a key of every kind, a user and tokens; gives them by name.
pub(crate) fn create(
    scheme: &KeyScheme,
    store: &MemoryKeyStore,
    users: &mut Users,
    mint: &Mint,
) -> Result<Value, BoxError> {
    let reader = |name: &str| {
        KeyRecord::new(format!("key_{name}"), "acct_demo")
            .organizations([ORGANIZATION])
            .plan("standard")
            .scopes(["read"])
    };
    let a_minute_ago = SystemTime::now() - Duration::from_secs(60);
    let records = [
        ("read", reader("read")),
        ("write", reader("write").scopes(["read", "write"])),
        ("admin", reader("admin").scopes(["read", "write", "webhook"]).roles(["admin"])),
        ("webhook", reader("webhook").scopes(["webhook"])),
        ("expired", reader("expired").expires_at(a_minute_ago)),
        ("paused", reader("paused").state(KeyState::Paused)),
        ("deactivated", reader("deactivated").state(KeyState::Deactivated)),
        ("revoked", reader("revoked").state(KeyState::Revoked)),
        ("suspended", reader("suspended").account_suspended(true)),
        ("premium", reader("premium").plan("premium")),
        ("limited", reader("limited").limits(Limits::new(Quota::new(10, Duration::from_secs(5)))?)),
    ];
    let mut demo = Map::new();
    for (name, record) in records {
        demo.insert(name.to_owned(), store.create(scheme, record)?.expose().into());
    }
    let (token, expired) = mint.demo()?;
    demo.insert("token".to_owned(), token.into());
    demo.insert("expired_token".to_owned(), expired.into());
    demo.insert("email".to_owned(), EMAIL.into());
    demo.insert("password".to_owned(), users.create(EMAIL)?.into());
    demo.insert("organization".to_owned(), ORGANIZATION.into());
    demo.insert("other_organization".to_owned(), OTHER_ORGANIZATION.into());
    Ok(demo.into())
}
