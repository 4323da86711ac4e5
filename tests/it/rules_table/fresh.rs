//! Fresh routes in the table: how they are shown and checked, and that they change no decision.

use tower_auth::{
    Rules,
    permission::{authenticated, scope},
};

use super::{ask, build, known, stranger};

#[test]
fn fresh_routes_are_shown_below_the_rules() {
    let rules = Rules::new().fresh("POST /v1/keys").public("GET /health").require("/v1/**", scope("read"));
    let table = "GET     /health          public\n\
                 *       /v1/**           scope read\n\
                 *       everything else  denied\n\
                 POST    /v1/keys         authenticated without a cache\n";
    assert_eq!(rules.table(), table);
    let reported = rules.report_only().table();
    assert_eq!(reported.matches("(reported, not enforced)").count(), 3, "{reported}");
    assert!(reported.ends_with("authenticated without a cache\n"), "they are enforced: {reported}");
}

#[tokio::test]
async fn r018_fresh_routes_grant_and_require_nothing() {
    let rules = || Rules::new().require("/a", scope("read")).require("/b", scope("admin")).public("/c");
    let with = || rules().fresh("/a").fresh("GET /b").fresh("* /{any}");
    for path in ["/a", "/b", "/c", "/d", "/a//b", "/%61"] {
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            for stack in [known, stranger] {
                let plain = ask(&stack(rules()), method, path).await;
                assert_eq!(ask(&stack(with()), method, path).await, plain, "{method} {path}");
            }
        }
    }
}

fn refused(rules: Rules) -> String {
    build(rules).map(drop).unwrap_err().to_string()
}

#[test]
fn p82_a_fresh_route_that_is_not_a_pattern_fails_the_build() {
    let rules = || Rules::new().require("/**", authenticated());
    for pattern in ["v1/keys", "post /v1/keys", "/v1/:id", "/v1/**/keys", "CONNECT /v1", "/v1//keys"] {
        let text = refused(rules().fresh(pattern));
        assert!(text.contains(pattern), "{text}");
    }
    // The first error counts.
    assert!(refused(rules().fresh("one").require("two", authenticated())).contains("\"one\""));
    assert!(refused(rules().require("two", authenticated()).fresh("one")).contains("\"two\""));
}

#[test]
fn p82_a_fresh_route_without_an_effect_fails_the_build() {
    let rules = || {
        Rules::new()
            .public("GET /health")
            .require("GET /v1/keys", scope("read"))
            .require("POST /v1/keys/{id}", scope("write"))
            .require("* /files/**", scope("read"))
            .require("/caf%C3%A9", scope("read"))
    };
    for misspelt in ["POST /v1/key", "/v1/keys/", "PUT /v1/keys", "GET /health", "/v1/keys/a/b", "/v2/**", "/"] {
        let text = refused(rules().fresh(misspelt));
        let path = misspelt.rsplit(' ').next().unwrap();
        assert!(text.contains(path) && text.contains("no effect"), "{text}");
    }
    for meant in [
        "GET /v1/keys",
        "HEAD /v1/keys",
        "/v1/keys",
        "/v1/**",
        "/**",
        "POST /v1/{x}/7",
        "/{a}/{b}",
        "/v1/keys/*",
        "/files",
        "/files/",
        "DELETE /files/a/b/c",
        "/caf%c3%a9",
    ] {
        assert!(build(rules().fresh(meant)).is_ok(), "{meant}");
    }
    // HEAD is not GET.
    let heads = Rules::new().require("HEAD /a", scope("read"));
    assert!(build(heads.clone().fresh("GET /a")).is_ok(), "a rule for GET matches HEAD");
    refused(heads.fresh("POST /a"));
    // What no rule matches is authenticated too if it can be admitted.
    for wide in [rules().otherwise(authenticated()), rules().report_only()] {
        assert!(build(wide.fresh("POST /v2/key")).is_ok());
    }
    let text = refused(rules().fresh("/v1/**").fresh("GET /v1/keys"));
    assert!(text.contains("\"* /v1/**\"") && text.contains("\"GET /v1/keys\""), "{text}");
}
