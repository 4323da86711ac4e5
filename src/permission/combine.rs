//! Verdicts of two policies made one.

use super::verdict::{Denial, PermissionFuture, Verdict};

/// Asks the second policy unless the first decides alone. Where the first has to be waited for, the second is
/// prepared at once, because the request is gone by then; a future that is not polled asks nobody.
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

/// A fault shows; else what is certain counts more than what nobody could tell.
pub(super) fn both(first: Verdict, second: Verdict) -> Verdict {
    use Verdict::{Denied, Granted, Misconfigured, Undecided};
    match (first, second) {
        (Misconfigured(fault), _) | (_, Misconfigured(fault)) => Misconfigured(fault),
        (Denied(denial), _) | (_, Denied(denial)) => Denied(denial),
        (Undecided(cause), _) | (_, Undecided(cause)) => Undecided(cause),
        (Granted, Granted) => Granted,
    }
}

pub(super) fn either(first: Verdict, second: Verdict) -> Verdict {
    use Verdict::{Denied, Granted, Misconfigured, Undecided};
    match (first, second) {
        (Misconfigured(fault), _) | (_, Misconfigured(fault)) => Misconfigured(fault),
        (Granted, _) | (_, Granted) => Granted,
        (Undecided(cause), _) | (_, Undecided(cause)) => Undecided(cause),
        (Denied(one), Denied(other)) => Denied(merge(one, other)),
    }
}

/// What either policy would have wanted.
fn merge(one: Denial, other: Denial) -> Denial {
    let mut permissions = one.permissions;
    for permission in other.permissions {
        if !permissions.contains(&permission) {
            permissions.push(permission);
        }
    }
    Denial {
        role: one.role.or(other.role),
        permissions,
        // Only where both denials are about an organisation is that the reason.
        organization: one.organization.and(other.organization),
    }
}
