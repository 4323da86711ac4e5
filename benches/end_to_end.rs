//! Measures the cost of a stack over HTTP: axum with the stack, compared with axum without it.
//!
//! `cargo bench --bench end_to_end --all-features` takes two minutes, with `-- --quick` ten seconds. It prints the
//! measured times and does not assert them. Compare only ratios within one run, and on a busy machine only ratios of
//! CPU time, which is available on Linux. Requests per second are meaningful only if two cores are idle, one for the
//! server's thread and one for the client's thread, because then the server is always busy. `benches/peers` measures
//! other crates in the same way.
//!
//! A baseline is a server without layers. Its handler writes the same headers as the stack, so that the cost of sending
//! the headers is not attributed to the stack. A row without headers shows this cost.

#[path = "support/end_to_end/mod.rs"]
mod end_to_end;
#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/least.rs"]
mod least;
#[path = "support/whole_stack.rs"]
mod whole_stack;

use tower::layer::util::Identity;
use tower_auth::AuthStack;

use self::{
    end_to_end::{Bench, Effort, Row},
    least::Least,
    whole_stack::{BODY, Told, bare, keys, remembered, telling, verified, whole, with_key, with_token},
};

/// The headers of a stack with keys in their own header.
const KEY: Told = Told { cache: true, id: false, limit: false };
/// The headers of a stack with keys and an envelope.
const ENVELOPE: Told = Told { id: true, ..KEY };
/// The headers of a stack with keys, an envelope and a limit.
const WHOLE: Told = Told { limit: true, ..ENVELOPE };
/// The headers of a stack with tokens. Without `Vary`: a shared cache stores no response to `Authorization`.
const TOKEN: Told = Told { cache: false, ..WHOLE };

fn main() {
    let mut bench = Bench::new(BODY);
    bench.baseline("bare", &with_key(), &[], bare());
    let alone = key_alone(&mut bench);
    with_envelope(&mut bench);
    let key = whole_with_key(&mut bench);
    let token = whole_with_token(&mut bench);

    let Some(effort) = Effort::from_args() else { return };
    let report = bench.run(effort);
    report.print();
    println!();
    report.print_targets(&[(key, 0.92), (token, 0.92), (alone, 0.97)]);
}

/// `ApiKeyLayer` alone, and the guards of a stack with this layer only.
fn key_alone(bench: &mut Bench) -> Row {
    bench.baseline("bare, the same two headers", &with_key(), &KEY.names(), telling(KEY));
    let alone = bench.row("ApiKeyLayer", &with_key().guarded(), &KEY.names(), bare().layer(keys()));
    let guards = bare().layer(stack().guards());
    bench.row("AuthStack::guards, key", &with_key().guarded(), &KEY.names(), guards);
    alone
}

fn stack() -> AuthStack {
    AuthStack::builder().auth(keys()).build().expect("the stack has an authentication layer")
}

fn with_envelope(bench: &mut Bench) {
    let headers = ENVELOPE.names();
    bench.baseline("bare, the same three headers", &with_key(), &headers, telling(ENVELOPE));
    bench.row("AuthStack, key", &with_key().guarded(), &headers, bare().layer(stack()));
}

fn whole_with_key(bench: &mut Bench) -> Row {
    let headers = WHOLE.names();
    bench.baseline("bare, the same six headers", &with_key(), &headers, telling(WHOLE));
    // The cost of `Router::layer` itself.
    bench.row(
        "bare, six headers, a layer that does nothing",
        &with_key(),
        &headers,
        telling(WHOLE).layer(Identity::new()),
    );
    bench.row("floor: the least by hand, key", &with_key(), &headers, bare().layer(Least::new()));
    bench.row("whole stack, key", &with_key().guarded(), &headers, bare().layer(whole(keys())))
}

fn whole_with_token(bench: &mut Bench) -> Row {
    let (asked, headers) = (with_token(), TOKEN.names());
    bench.baseline("bare, token, the same four headers", &asked, &headers, telling(TOKEN));
    let asked = asked.guarded();
    let row = bench.row("whole stack, token remembered", &asked, &headers, bare().layer(whole(remembered())));
    bench.row("whole stack, token verified each time", &asked, &headers, bare().layer(whole(verified())));
    row
}
