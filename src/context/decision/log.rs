use tracing::field::display;

use super::value::Decision;
use crate::{Principal, base::shown};

/// The maximum length of a name, and of a cause, in a log line.
const NAME: usize = 256;
const CAUSE: usize = 2048;

impl Decision<'_> {
    /// Whether admissions are logged (level DEBUG).
    #[inline]
    pub(crate) fn admissions_are_logged() -> bool {
        tracing::enabled!(target: "tower_auth", tracing::Level::DEBUG)
    }

    /// Whether faults are logged (level ERROR).
    #[inline]
    pub(crate) fn faults_are_logged() -> bool {
        tracing::enabled!(target: "tower_auth", tracing::Level::ERROR)
    }

    /// Logs the decision: faults of the service at ERROR, report-only refusals at WARN, refusals at INFO, admissions at
    /// DEBUG.
    pub(crate) fn log(&self) {
        let read = if self.rejection().is_some() { Self::faults_are_logged() } else { Self::admissions_are_logged() };
        if !read {
            return;
        }
        // Names come from records, tokens and the request itself, so they are cut and escaped.
        let name = |text| shown::text(text, NAME);
        let method = self.method().map(|method| name(method.as_str()));
        let path = self.path();
        let subject = self.principal().map(|who| name(who.subject()));
        let key_id = self.principal().and_then(Principal::credential_id).map(name);
        let key_hint = self.credential_hint().map(name);
        let client = self.client_ip().map(display);
        let peer = self.peer_ip().map(display);
        let trace_id = self.request_id().map(display);
        let Some(refusal) = self.rejection() else {
            tracing::debug!(
                target: "tower_auth",
                layer = self.layer(),
                method = method.as_deref(),
                path = path.as_deref(),
                subject = subject.as_deref(),
                key_id = key_id.as_deref(),
                key_hint = key_hint.as_deref(),
                client,
                peer,
                trace_id,
                "request admitted"
            );
            return;
        };
        let required = self.required();
        let limit = self.limit_name().map(name);
        let plan = self.plan().map(name);
        // A cause may contain text that a client sent.
        let cause = self.private_cause().map(|cause| {
            let cause = cause.to_string();
            display(shown::text(&cause, CAUSE).into_owned())
        });
        macro_rules! refused {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    target: "tower_auth",
                    kind = ?refusal.kind(),
                    status = refusal.status().as_u16(),
                    layer = self.layer(),
                    method = method.as_deref(),
                    path = path.as_deref(),
                    required = required.as_deref(),
                    limit = limit.as_deref(),
                    plan = plan.as_deref(),
                    subject = subject.as_deref(),
                    key_id = key_id.as_deref(),
                    key_hint = key_hint.as_deref(),
                    client,
                    peer,
                    trace_id,
                    cause,
                    $message
                )
            };
        }
        if !self.is_enforced() {
            refused!(warn, "request would have been refused");
        } else if refusal.status().is_server_error() {
            refused!(error, "request refused by a fault of the service");
        } else {
            refused!(info, "request refused");
        }
    }
}
