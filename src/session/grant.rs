use serde_json::{Map, Value, json};

use crate::{AuthMethod, BoxError, KeyRecord, Principal, limit::Limits};

/// What an access token says about its holder: who it is, what it may do, and for which client it acts.
///
/// ```
/// use tower_auth::{Principal, session::Grant};
///
/// let alice = Principal::builder("alice").account("acme").scopes(["read"]).build();
/// let grant = Grant::of(&alice).client("web-app");
/// assert_eq!((grant.holder().subject(), grant.client_id()), ("alice", Some("web-app")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a grant does nothing until tokens are issued for it"]
pub struct Grant {
    holder: Principal,
    client: Option<String>,
    actor: Option<String>,
}

impl Grant {
    /// Creates a grant for this holder, with all of its scopes. If the holder was authenticated by an API key, the
    /// grant belongs to the key, and ends with it.
    pub fn of(holder: &Principal) -> Self {
        Self { holder: holder.clone(), client: None, actor: None }
    }

    /// Sets the client that the tokens are issued to (`client_id`, RFC 9068, section 2.2): the issuer itself by
    /// default. The client of a key's grant is the key, and this setting has no effect.
    pub fn client(self, id: impl Into<String>) -> Self {
        Self { client: Some(id.into()), ..self }
    }

    /// Sets who acts for the holder (`act`, RFC 8693, section 4.1): for delegation, such as a support engineer who acts
    /// for a customer.
    pub fn acting(self, subject: impl Into<String>) -> Self {
        Self { actor: Some(subject.into()), ..self }
    }

    /// Sets the scopes.
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        Self { holder: self.holder.edit().scopes(scopes).build(), ..self }
    }

    /// Returns the holder.
    #[must_use]
    pub const fn holder(&self) -> &Principal {
        &self.holder
    }

    /// Returns the client: the key, or the one that was set.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.key_id().or(self.client.as_deref())
    }

    /// Returns who acts for the holder.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// Returns the id of the API key that the grant belongs to.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        let of_key = *self.holder.method() == AuthMethod::ApiKey;
        self.holder.credential_id().filter(|_| of_key)
    }

    /// Returns the id of the first key of the line of the grant's key, under which limits count it.
    pub(super) fn first_key(&self) -> Option<&str> {
        self.key_id().map(|id| self.holder.first_id().unwrap_or(id))
    }

    /// Returns the grant as it is now that its key is this one: the scopes are those that both have, and everything
    /// else is the key's.
    pub(super) fn renewed(&self, key: &KeyRecord) -> Self {
        let holder = key.principal();
        Self { holder: holder.clone(), ..self.clone() }.scopes(self.shared_scopes(holder))
    }

    /// Returns the grant as it is now that its holder is this one: the same subject, and no more scopes than before.
    pub(super) fn held_by(&self, holder: &Principal) -> Self {
        let now = holder.clone().edit().subject(self.holder.subject()).scopes(self.shared_scopes(holder));
        Self { holder: now.build(), ..self.clone() }
    }

    fn shared_scopes(&self, holder: &Principal) -> impl Iterator<Item = &String> {
        self.holder.scopes().iter().filter(|scope| holder.has_scope(scope))
    }

    /// Returns the grant as JSON, for a column of a table.
    ///
    /// ```
    /// use tower_auth::{Principal, session::Grant};
    ///
    /// let grant = Grant::of(&Principal::builder("alice").scopes(["read"]).build());
    /// assert_eq!(grant.to_json(), serde_json::json!({ "subject": "alice", "scopes": ["read"] }));
    /// assert_eq!(Grant::from_json(&grant.to_json())?.to_json(), grant.to_json());
    /// # Ok::<_, tower_auth::BoxError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        let who = &self.holder;
        let text = |text: Option<&str>| text.map(Value::from);
        let list = |list: &[String]| (!list.is_empty()).then(|| json!(list));
        let members = [
            ("subject", text(Some(who.subject()))),
            ("account", text(who.account())),
            ("organizations", list(who.organizations())),
            ("scopes", list(who.scopes())),
            ("roles", list(who.roles())),
            ("plan", text(who.plan())),
            ("limits", who.limits().map(Limits::to_json)),
            ("key", text(self.key_id())),
            ("first_key", text(who.first_id())),
            ("hint", text(who.credential_hint())),
            ("client", text(self.client.as_deref())),
            ("actor", text(self.actor())),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
    }

    /// Reads a grant from [`to_json`](Self::to_json).
    ///
    /// # Errors
    /// If the value is not a grant.
    pub fn from_json(stored: &Value) -> Result<Self, BoxError> {
        let text = |name: &str| stored.get(name).and_then(Value::as_str);
        let list = |name: &str| {
            let all = stored.get(name).and_then(Value::as_array).into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        let subject = text("subject").ok_or("a stored grant has no subject")?;
        let limits = stored.get("limits").map(Limits::from_json).transpose()?;
        let holder = Principal::builder(subject).limits(limits);
        let holder = holder.organizations(list("organizations")).scopes(list("scopes"));
        let mut holder = holder.roles(list("roles"));
        if let Some(account) = text("account") {
            holder = holder.account(account);
        }
        if let Some(plan) = text("plan") {
            holder = holder.plan(plan);
        }
        if let Some(key) = text("key") {
            holder = holder.method(AuthMethod::ApiKey).credential_id(key);
        }
        if let Some(first) = text("first_key") {
            holder = holder.first_id(first.to_owned());
        }
        if let Some(hint) = text("hint") {
            holder = holder.credential_hint(hint);
        }
        let owned = |name| text(name).map(str::to_owned);
        Ok(Self { holder: holder.build(), client: owned("client"), actor: owned("actor") })
    }
}
