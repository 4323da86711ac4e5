//! Verdicts of two policies made one.

use super::verdict::{Check, Denial, Verdict};

/// Asks the second policy unless the first decides alone. Where the first has to be waited for, the second is
/// prepared at once, because the request is gone by then; a future that is not polled asks nobody.
pub(super) fn combine(
    first: Check,
    second: impl FnOnce() -> Check,
    decides: fn(&Verdict) -> bool,
    join: fn(Verdict, Verdict) -> Verdict,
) -> Check {
    match first.now() {
        Ok(first) if decides(&first) => Check::ready(first),
        Ok(first) => second().map(move |second| join(first, second)),
        Err(waiting) => {
            let second = second();
            Check::boxed(async move {
                let first = waiting.await;
                if decides(&first) { first } else { join(first, second.await) }
            })
        }
    }
}

pub(super) const fn decided_by_and(first: &Verdict) -> bool {
    matches!(first, Verdict::Denied(_) | Verdict::Mismounted(_))
}

pub(super) const fn decided_by_or(first: &Verdict) -> bool {
    matches!(first, Verdict::Granted | Verdict::Mismounted(_))
}

/// A fault shows; else what is certain counts more than what nobody could tell.
pub(super) fn both(first: Verdict, second: Verdict) -> Verdict {
    use Verdict::{Denied, Granted, Mismounted, Undecided};
    match (first, second) {
        (Mismounted(fault), _) | (_, Mismounted(fault)) => Mismounted(fault),
        (Denied(denial), _) | (_, Denied(denial)) => Denied(denial),
        (Undecided(cause), _) | (_, Undecided(cause)) => Undecided(cause),
        (Granted, Granted) => Granted,
    }
}

pub(super) fn either(first: Verdict, second: Verdict) -> Verdict {
    use Verdict::{Denied, Granted, Mismounted, Undecided};
    match (first, second) {
        (Mismounted(fault), _) | (_, Mismounted(fault)) => Mismounted(fault),
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
