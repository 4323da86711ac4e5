use super::{
    kind::{RejectionKind, Restriction},
    value::Rejection,
};

impl Rejection {
    /// Returns 403: the credential is genuine, and this restriction of it forbids the request. Return it only to a client
    /// that has proved possession of the credential, and name the holder with
    /// [`with_principal`](Self::with_principal).
    pub fn restricted(restriction: Restriction) -> Self {
        Self::new(RejectionKind::Restricted).set(|facts| facts.restriction = Some(restriction))
    }

    /// Returns the restriction that forbids the request, for a refusal of the kind [`RejectionKind::Restricted`].
    #[must_use]
    pub fn restriction(&self) -> Option<Restriction> {
        self.facts.restriction
    }
}
