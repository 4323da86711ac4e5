//! The keys, tokens and user of the demo.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tower_auth::{
    BoxError, KeyState,
    session::{Grant, Sessions},
};

use crate::{
    common::{
        demo::{ORGANIZATION, OTHER_ORGANIZATION},
        keys::Keys,
        sessions::demo_tokens,
    },
    login::Users,
};

const EMAIL: &str = "demo@example.com";

/// Creates a user and tokens, and returns them by name.
pub(crate) fn people(users: &mut Users, sessions: &Sessions) -> Result<Map<String, Value>, BoxError> {
    let (user, password) = users.create(EMAIL)?;
    let [token, expired] = demo_tokens(sessions, &Grant::of(&user.principal()).scopes(["read"]))?;
    let mut people = Map::new();
    people.insert("token".to_owned(), token.into());
    people.insert("expired_token".to_owned(), expired.into());
    people.insert("email".to_owned(), EMAIL.into());
    people.insert("password".to_owned(), password.into());
    people.insert("organization".to_owned(), ORGANIZATION.into());
    people.insert("other_organization".to_owned(), OTHER_ORGANIZATION.into());
    Ok(people)
}

/// Creates a key of every kind, and returns the keys and the people by name.
pub(crate) async fn create(keys: &Keys, people: Map<String, Value>) -> Result<Value, BoxError> {
    let ids = keys.start_demo().await?;
    let a_minute_ago = SystemTime::now() - Duration::from_secs(60);
    let records = [
        ("read", ids.reader("read")),
        ("write", ids.reader("write").scopes(["read", "write"])),
        ("admin", ids.reader("admin").scopes(["read", "write", "webhook"]).roles(["admin"])),
        ("webhook", ids.reader("webhook").scopes(["webhook"])),
        ("expired", ids.reader("expired").expires_at(a_minute_ago)),
        ("paused", ids.reader("paused").state(KeyState::Paused)),
        ("deactivated", ids.reader("deactivated").state(KeyState::Deactivated)),
        ("revoked", ids.reader("revoked").state(KeyState::Revoked)),
        ("suspended", ids.suspended()),
        ("premium", ids.reader("premium").plan("premium")),
        ("limited", ids.limited()?),
    ];
    let mut demo = keys.adopt(records).await?;
    demo.extend(people);
    Ok(demo.into())
}
