//! Combines the verdicts of two policies.

use super::verdict::{Denial, PermissionFuture, Verdict};

/// Asks the second policy, unless the first decides alone. If the first is pending, the future of the second is created
/// at once, because the request is not available later. That future is polled only if it is needed.
pub(super) fn combine(
    first: PermissionFuture,
    second: impl FnOnce() -> PermissionFuture,
    decides: fn(&Verdict) -> bool,
    join: fn(Verdict, Verdict) -> Verdict,
) -> PermissionFuture {
    match first.now() {
        Ok(first) if decides(&first) => PermissionFuture::ready(first),
        Ok(first) => second().map(move |second| join(first, second)),
        Err(waiting) => {
            let second = second();
            PermissionFuture::boxed(async move {
                let first = waiting.await;
                if decides(&first) { first } else { join(first, second.await) }
            })
        }
    }
}

pub(super) const fn decided_by_and(first: &Verdict) -> bool {
    matches!(first, Verdict::Denied(_) | Verdict::Misconfigured(_))
}

pub(super) const fn decided_by_or(first: &Verdict) -> bool {
    matches!(first, Verdict::Granted | Verdict::Misconfigured(_))
}

/// The order of precedence is: misconfigured, denied, undecided, granted.
pub(super) fn both(first: Verdict, second: Verdict) -> Verdict {
    use Verdict::{Denied, Granted, Misconfigured, Undecided};
    match (first, second) {
        (Misconfigured(fault), _) | (_, Misconfigured(fault)) => Misconfigured(fault),
        (Denied(denial), _) | (_, Denied(denial)) => Denied(denial),
        (Undecided(cause), _) | (_, Undecided(cause)) => Undecided(cause),
        (Granted, Granted) => Granted,
    }
}

/// The order of precedence is: misconfigured, granted, undecided, denied.
pub(super) fn either(first: Verdict, second: Verdict) -> Verdict {
    use Verdict::{Denied, Granted, Misconfigured, Undecided};
    match (first, second) {
        (Misconfigured(fault), _) | (_, Misconfigured(fault)) => Misconfigured(fault),
        (Granted, _) | (_, Granted) => Granted,
        (Undecided(cause), _) | (_, Undecided(cause)) => Undecided(cause),
        (Denied(one), Denied(other)) => Denied(merge(one, other)),
    }
}

/// Returns a denial that names the requirements of both policies.
fn merge(one: Denial, other: Denial) -> Denial {
    let mut permissions = one.permissions;
    let scopes = if one.scopes.is_empty() { other.scopes } else { one.scopes };
    for permission in other.permissions {
        if !permissions.contains(&permission) {
            permissions.push(permission);
        }
    }
    Denial {
        role: one.role.or(other.role),
        permissions,
        scopes,
        step_up: one.step_up.or(other.step_up),
        // The organisation is the reason only if both denials name one.
        organization: one.organization.and(other.organization),
    }
}
