//! Policies by themselves: no layer, no service.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{HeaderName, HeaderValue, request::Parts};
use tower_auth::RequestHead;
use tower_auth::{
    Principal,
    permission::{
        Denial, OrgSource, Permission, PermissionFuture, ScopeHierarchy, Verdict, any_scope, authenticated, from_fn,
        member_of, role, scope,
    },
};

use crate::support::get;

fn alice() -> Principal {
    Principal::builder("alice").scopes(["read", "write"]).roles(["editor"]).organizations(["acme", ""]).build()
}

fn head(path: &str, headers: &[(&str, &str)]) -> Parts {
    get(path, headers).into_parts().0
}

async fn decide(policy: impl Permission) -> Verdict {
    policy.check(&alice(), &RequestHead::from(&head("/", &[]))).await
}

fn letter(verdict: &Verdict) -> char {
    match verdict {
        Verdict::Granted => 'G',
        Verdict::Denied(_) => 'D',
        Verdict::Undecided(_) => 'U',
        Verdict::Misconfigured(_) => 'M',
        other => panic!("{other:?}"),
    }
}

/// Answers the same always, at once or after it was waited for, and counts how often somebody waited for it or took it.
#[derive(Clone)]
struct Always {
    letter: char,
    boxed: bool,
    asked: Arc<AtomicUsize>,
}

impl Always {
    fn new(letter: char, boxed: bool) -> Self {
        Self { letter, boxed, asked: Arc::default() }
    }

    fn verdict(&self) -> Verdict {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.letter {
            'G' => Verdict::Granted,
            'D' => Verdict::Denied(Denial::new()),
            'U' => Verdict::Undecided("nobody answers".into()),
            _ => Verdict::Misconfigured("stands in the wrong place".into()),
        }
    }
}

impl Permission for Always {
    fn check(&self, _: &Principal, _: &RequestHead<'_>) -> PermissionFuture {
        if !self.boxed {
            return PermissionFuture::ready(self.verdict());
        }
        let this = self.clone();
        PermissionFuture::boxed(async move {
            tokio::task::yield_now().await;
            this.verdict()
        })
    }
}

/// Rows are the first policy, columns the second, both in the order of [`LETTERS`]. `.` behind a letter: the second
/// is not asked.
const LETTERS: [char; 4] = ['G', 'D', 'U', 'M'];
const AND: [&str; 4] = ["G D U M", "D.D.D.D.", "U D U M", "M.M.M.M."];
const OR: [&str; 4] = ["G.G.G.G.", "G D U M", "G U U M", "M.M.M.M."];

#[tokio::test]
async fn r090_and_or_decide_by_the_table_whether_ready_or_not() {
    for (place, first) in LETTERS.iter().enumerate() {
        for (column, second) in LETTERS.iter().enumerate() {
            for (one_waits, other_waits) in [(false, false), (false, true), (true, false), (true, true)] {
                let pair = || (Always::new(*first, one_waits), Always::new(*second, other_waits));
                let case = format!("{first} {second} {one_waits} {other_waits}");
                let cell = |table: [&'static str; 4]| {
                    let row = format!("{:8}", table[place]);
                    let mut cell = row.chars().skip(column * 2).take(2);
                    (cell.next().unwrap(), cell.next() != Some('.'))
                };
                let (one, other) = pair();
                let decided = letter(&decide(one.clone().and(other.clone())).await);
                // What is ready is computed by being asked, so it counts even behind a policy that has to be waited
                // for.
                let asked = |asked: &Always, expected: bool| {
                    (one_waits && !other_waits) || (asked.asked.load(Ordering::SeqCst) == 1) == expected
                };
                assert_eq!(decided, cell(AND).0, "{case} and");
                assert!(asked(&other, cell(AND).1), "{case} and");
                let (one, other) = pair();
                let decided = letter(&decide(one.or(other.clone())).await);
                assert_eq!(decided, cell(OR).0, "{case} or");
                assert!(asked(&other, cell(OR).1), "{case} or");
            }
        }
    }
}

#[tokio::test]
async fn r090_combinations_can_be_combined() {
    let g = || Always::new('G', true);
    let d = || Always::new('D', false);
    assert_eq!(letter(&decide(g().and(d()).or(g())).await), 'G');
    assert_eq!(letter(&decide(g().and(d().or(g()))).await), 'G');
    assert_eq!(letter(&decide(d().or(g()).and(d())).await), 'D');
    let shared: Arc<dyn Permission> = Arc::new(g());
    assert_eq!(letter(&decide(shared.and(g())).await), 'G');
}

/// The cause of what nobody could tell is the one that is logged; it must not be lost on the way.
#[tokio::test]
async fn r090_causes_survive_a_combination() {
    let Verdict::Undecided(cause) = decide(Always::new('D', true).or(Always::new('U', true))).await else {
        panic!("undecided")
    };
    assert_eq!(cause.to_string(), "nobody answers");
    let Verdict::Misconfigured(fault) = decide(Always::new('U', false).and(Always::new('M', true))).await else {
        panic!("mismounted")
    };
    assert_eq!(fault, "stands in the wrong place");
}

#[tokio::test]
async fn r090_each_policy_grants_what_it_names() {
    let no_scopes: [&str; 0] = [];
    for (case, verdict, granted) in [
        ("scope", decide(scope("read")).await, true),
        ("missing scope", decide(scope("admin")).await, false),
        ("a role is no scope", decide(scope("editor")).await, false),
        ("part of a scope", decide(scope("rea")).await, false),
        ("any", decide(any_scope(["admin", "write"])).await, true),
        ("none of any", decide(any_scope(["admin", "webhook"])).await, false),
        ("any of nothing", decide(any_scope(no_scopes)).await, false),
        ("role", decide(role("editor")).await, true),
        ("missing role", decide(role("admin")).await, false),
        ("a scope is no role", decide(role("read")).await, false),
        ("authenticated", decide(authenticated()).await, true),
        ("closure", decide(from_fn(|who, _| who.subject() == "alice")).await, true),
        ("closure denies", decide(from_fn(|_, request| request.uri().path() != "/")).await, false),
        ("closure with a verdict", decide(from_fn(|_, _| Verdict::Granted)).await, true),
    ] {
        assert_eq!(letter(&verdict), if granted { 'G' } else { 'D' }, "{case}");
    }
}

async fn member(source: OrgSource, path: &str, headers: &[(&str, &str)]) -> char {
    letter(&member_of(source).check(&alice(), &RequestHead::from(&head(path, headers))).await)
}

#[tokio::test]
async fn r091_organisations_by_header() {
    let source = || OrgSource::header(HeaderName::from_static("x-org"));
    for (headers, expected) in [
        (&[("x-org", "acme")][..], 'G'),
        (&[("X-Org", "acme")], 'G'),
        (&[("x-org", "other")], 'D'),
        (&[("x-org", "ACME")], 'D'),
        (&[("x-org", "acme, other")], 'D'),
        (&[("x-org", "acme"), ("x-org", "other")], 'D'),
        (&[("x-org", "acme"), ("x-org", "acme")], 'D'),
        // Alice's record has an empty organisation, and that is no organisation.
        (&[("x-org", "")], 'D'),
        (&[], 'D'),
    ] {
        assert_eq!(member(source(), "/", headers).await, expected, "{headers:?}");
    }
    let mut request = head("/", &[]);
    request.headers.insert("x-org", HeaderValue::from_bytes(b"acme\xff").unwrap());
    assert_eq!(letter(&member_of(source()).check(&alice(), &RequestHead::from(&request)).await), 'D');
}

#[tokio::test]
async fn r091_organisations_by_path_segment() {
    for segment in ["organizations", "/organizations", "organizations/", "/organizations/"] {
        let source = || OrgSource::path_after(segment);
        assert_eq!(member(source(), "/v1/organizations/acme", &[]).await, 'G', "{segment}");
        assert_eq!(member(source(), "/v1/organizations/other", &[]).await, 'D', "{segment}");
        assert_eq!(member(source(), "/v1/organizations/", &[]).await, 'D', "{segment}");
        assert_eq!(member(source(), "/v1/models", &[]).await, 'M', "{segment}");
    }
}

#[tokio::test]
async fn r091_organisations_by_closure() {
    let found = |name: Option<&'static str>| OrgSource::from_fn(move |_| name.map(str::to_owned));
    assert_eq!(member(found(Some("acme")), "/", &[]).await, 'G');
    assert_eq!(member(found(Some("other")), "/", &[]).await, 'D');
    assert_eq!(member(found(Some("")), "/", &[]).await, 'D');
    assert_eq!(member(found(None), "/", &[]).await, 'M');
}

/// Outside of a router there are no parameters: the layer cannot work there.
#[tokio::test]
async fn r091_axum_param_outside_of_a_router_is_a_mounting_error() {
    assert_eq!(member(OrgSource::axum_param("org"), "/v1/organizations/acme", &[]).await, 'M');
}

fn declared() -> ScopeHierarchy {
    ScopeHierarchy::new(["read", "write", "admin", "owner", "webhook"])
        .implies("admin", ["write"])
        .unwrap()
        .implies("write", ["read"])
        .unwrap()
        .implies("owner", ["admin", "webhook"])
        .unwrap()
}

async fn opens(policy: &impl Permission, scope: &str) -> bool {
    let who = Principal::builder("x").scopes([scope]).build();
    letter(&policy.check(&who, &RequestHead::from(&head("/", &[]))).await) == 'G'
}

#[tokio::test]
async fn r090_a_hierarchy_implies_what_is_declared_round_about_too_and_nothing_else() {
    let all = ["read", "write", "admin", "owner", "webhook"];
    for (asked, by) in [
        ("read", &["read", "write", "admin", "owner"][..]),
        ("write", &["write", "admin", "owner"]),
        ("admin", &["admin", "owner"]),
        ("owner", &["owner"]),
        ("webhook", &["owner", "webhook"]),
    ] {
        let policy = declared().scope(asked).unwrap();
        for has in all {
            assert_eq!(opens(&policy, has).await, by.contains(&has), "{has} for {asked}");
        }
    }
    let either = declared().any_scope(["webhook", "write"]).unwrap();
    assert!(opens(&either, "admin").await && opens(&either, "webhook").await && !opens(&either, "read").await);
    assert!(!opens(&declared().any_scope([]).unwrap(), "owner").await);
}

#[tokio::test]
async fn r090_a_hierarchy_in_a_circle_ends() {
    let circle = ScopeHierarchy::new(["a", "b", "c", "d"])
        .implies("a", ["b", "a"])
        .unwrap()
        .implies("b", ["c"])
        .unwrap()
        .implies("c", ["a"])
        .unwrap();
    for asked in ["a", "b", "c"] {
        let policy = circle.scope(asked).unwrap();
        for has in ["a", "b", "c"] {
            assert!(opens(&policy, has).await, "{has} for {asked}");
        }
        assert!(!opens(&policy, "d").await);
    }
}

#[tokio::test]
async fn r090_an_undeclared_scope_is_found_when_the_service_starts() {
    for error in [
        declared().implies("raed", ["read"]).unwrap_err(),
        declared().implies("read", ["raed"]).unwrap_err(),
        declared().scope("raed").unwrap_err(),
        declared().any_scope(["read", "raed"]).unwrap_err(),
    ] {
        let said = error.to_string();
        assert!(said.contains("\"raed\"") && said.contains("webhook"), "{said}");
    }
    assert!(ScopeHierarchy::new(Vec::<String>::new()).scope("read").is_err());
}

/// A denial names the scope that was asked for, and no other that would have done.
#[tokio::test]
async fn r090_a_denial_of_a_hierarchy_names_the_weakest_scope() {
    let who = Principal::builder("x").build();
    let check = declared().scope("write").unwrap().check(&who, &RequestHead::from(&head("/", &[]))).await;
    let Verdict::Denied(denial) = check else { panic!("denied") };
    assert_eq!(denial, Denial::new().permissions(["write"]));
}
