//! Facts about a refusal for the log and the observer, which no client sees.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use super::{detail::Detail, kind::RejectionKind, value::Rejection};

impl Rejection {
    /// Sets the address that was counted.
    pub(crate) fn counted(self, client: IpAddr) -> Self {
        self.set(|facts| facts.client = Some(client))
    }

    /// Sets the plan of the limit.
    pub(crate) fn of_plan(self, plan: Arc<str>) -> Self {
        self.set(|facts| facts.plan = Some(plan))
    }

    /// Sets what the caller lacks, for a refusal with no such details.
    pub(crate) fn requiring(self, required: impl Into<Box<str>>) -> Self {
        self.set(|facts| facts.required = Some(required.into()))
    }

    /// Returns the window of the limit that is used up.
    pub(crate) fn policy(&self) -> Option<&str> {
        self.facts.policy.as_deref()
    }

    pub(crate) fn plan(&self) -> Option<&str> {
        self.facts.plan.as_deref()
    }

    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.facts.client
    }

    /// Returns what the caller lacks.
    pub(crate) fn required(&self) -> Option<Cow<'_, str>> {
        match (&self.facts.required, self.kind()) {
            (Some(required), _) => Some(Cow::Borrowed(required)),
            (
                None,
                RejectionKind::InsufficientPermissions
                | RejectionKind::OrganizationDenied
                | RejectionKind::InsufficientAuthentication,
            ) => {
                let required: Vec<_> = self.details().filter_map(|(name, detail)| in_detail(name, detail)).collect();
                (!required.is_empty()).then(|| Cow::Owned(required.join(" ")))
            }
            _ => None,
        }
    }
}

fn in_detail<'a>(name: &str, detail: &'a Detail) -> Option<Cow<'a, str>> {
    match (name, detail) {
        ("required_permissions", Detail::List(scopes)) => Some(Cow::Owned(scopes.join(" "))),
        ("required_permissions", Detail::Text(scope)) => Some(Cow::Borrowed(scope)),
        ("required_role", Detail::Text(role)) => Some(Cow::Owned(format!("role:{role}"))),
        ("acr_values", Detail::List(values)) => Some(Cow::Owned(format!("acr:{}", values.join("|")))),
        ("max_age", Detail::Number(seconds)) => Some(Cow::Owned(format!("max_age:{seconds}"))),
        ("organization_id", Detail::Text(organization)) => Some(Cow::Owned(format!("organization:{organization}"))),
        _ => None,
    }
}
