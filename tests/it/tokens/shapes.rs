//! Lists of several claims and of many forms: scopes, roles and organisations.

use serde_json::{Value, json};
use tower_auth::{
    Principal,
    token::{ClaimSource, TokenError, TokenVerifierBuilder},
};

use super::{
    NOW, explained, judged,
    mint::{Object, claims, key},
    strict,
};

fn token(claims: &Object) -> String {
    key("es256").seal(key("es256").header(), claims)
}

async fn principal(builder: TokenVerifierBuilder, claims: &Object) -> Principal {
    match judged(builder, &token(claims)).await {
        Ok(claims) => claims.principal().clone(),
        Err(error) => panic!("{}: {error}", claims.as_str()),
    }
}

/// The roles that this source reads from this value of the claim `r`, or the reason for a refusal.
async fn roles(source: ClaimSource, value: &Value) -> Result<Vec<String>, String> {
    match explained(strict().roles_from(source), &token(&claims(NOW).raw("r", value))).await {
        Ok(claims) => Ok(claims.principal().roles().to_vec()),
        Err((TokenError::Malformed(_), told)) => Err(told),
        Err((other, _)) => panic!("{value}: {other}"),
    }
}

fn r() -> ClaimSource {
    ClaimSource::new("r")
}

#[tokio::test]
async fn claims_of_one_purpose_are_merged_in_the_order_of_the_settings() {
    let builder = || {
        strict()
            .scopes_from("scope")
            .scopes_from("permissions")
            .scopes_from("/ext/scp")
            .roles_from("/realm_access/roles")
            .roles_from("/resource_access/api/roles")
            .roles_from("role")
            .organizations_from("org_id")
            .organizations_from("orgs")
    };
    let full = claims(NOW)
        // The order in the token does not count.
        .text("role", "owner")
        .raw("orgs", json!(["o2", "o1"]))
        .raw("permissions", json!(["write", "read"]))
        .raw("resource_access", json!({ "api": { "roles": ["staff", "admin"] } }))
        .raw("realm_access", json!({ "roles": ["admin", "user"] }))
        .text("org_id", "o1")
        .raw("ext", json!({ "scp": "delete  write" }))
        .text("scope", "read list read");
    let who = principal(builder(), &full).await;
    assert_eq!(who.scopes(), ["read", "list", "write", "delete"]);
    assert_eq!(who.roles(), ["admin", "user", "staff", "owner"]);
    assert_eq!(who.organizations(), ["o1", "o2"]);
    // Each may be missing, also the first.
    for (name, scopes) in [
        ("scope", &["write", "read", "delete"][..]),
        ("permissions", &["read", "list", "delete", "write"]),
        ("ext", &["read", "list", "write"]),
    ] {
        assert_eq!(principal(builder(), &full.clone().without(name)).await.scopes(), scopes, "{name}");
    }
    let none = principal(builder(), &claims(NOW).without("scope")).await;
    assert_eq!((none.scopes(), none.roles(), none.organizations()), (&[][..], &[][..], &[][..]));
    // One of a wrong type makes the token invalid.
    for name in ["scope", "permissions", "ext", "realm_access", "role", "org_id", "orgs"] {
        let odd = if ["ext", "realm_access"].contains(&name) { json!({ "scp": 7, "roles": 7 }) } else { json!(7) };
        let refused = judged(builder(), &token(&full.clone().raw(name, odd))).await;
        assert!(matches!(refused, Err(TokenError::Malformed(_))), "{name}: {refused:?}");
    }
}

#[tokio::test]
async fn the_first_call_replaces_the_default() {
    let who = principal(strict().scopes_from("scp"), &claims(NOW).raw("scp", json!(["write"]))).await;
    assert_eq!(who.scopes(), ["write"]);
    let who = principal(strict().scopes_from("scp"), &claims(NOW)).await;
    assert_eq!(who.scopes(), &[] as &[String]);
}

/// A claim may serve two purposes, and only once for each.
#[tokio::test]
async fn a_claim_serves_every_purpose_once() {
    let builder = strict().roles_from("groups").organizations_from("groups").scopes_from("groups").scopes_from("scope");
    let who = principal(builder, &claims(NOW).raw("groups", json!(["a", "b"]))).await;
    let groups = ["a".to_owned(), "b".to_owned()];
    assert_eq!((who.roles(), who.organizations()), (&groups[..], &groups[..]));
    assert_eq!(who.scopes(), ["a", "b", "read"]);
    for (name, builder) in [
        ("scopes_from", strict().scopes_from("a").scopes_from("b").scopes_from("a")),
        ("roles_from", strict().roles_from("/a/b").roles_from(ClaimSource::path(["a", "b"]))),
        ("roles_from", strict().roles_from("a").roles_from("/a")),
        ("roles_from", strict().roles_from("a").roles_from(ClaimSource::new("a").member_names())),
        ("organizations_from", strict().organizations_from("a").organizations_from("a".to_owned())),
        ("subject_from", strict().subject_from("a").subject_from(ClaimSource::new("a").prefix("x"))),
        ("account_from", strict().account_from("a").account_from("a")),
        ("account_from", strict().account_from("a").account_from("b")),
        ("plan_from", strict().plan_from("a").plan_from("b")),
        ("key_from", strict().key_from("a").key_from("b")),
        ("limits_from", strict().limits_from("a").limits_from("b")),
    ] {
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains(name) && said.contains("help:"), "{name}: {said}");
    }
    for reserved in ["aud", "exp", "nbf", "iat", "cnf", "/cnf/jkt", "/aud/0"] {
        let said = strict().roles_from(reserved).build().unwrap_err().to_string();
        assert!(said.contains("a meaning of its own"), "{reserved}: {said}");
    }
    assert!(strict().roles_from("a").roles_from("/a/a").build().is_ok());
}

type Source = fn() -> ClaimSource;

/// The form does not have the value.
const NO: Option<&[&str]> = None;

/// What the values of every form are, and what is refused with the claim's name in the reason.
#[tokio::test]
async fn every_form_has_its_values() {
    let usual = || r();
    let (spaces, commas) = (|| r().space_separated(), || r().comma_separated());
    let (names, flag) = (|| r().member_names(), || r().name_if_true());
    let forms: [(&str, Source); 5] =
        [("usual", usual), ("spaces", spaces), ("commas", commas), ("names", names), ("flag", flag)];
    #[rustfmt::skip]
    let table: [(Value, [Option<&[&str]>; 5]); 19] = [
        (json!(null),                    [Some(&[]),             Some(&[]),            Some(&[]),              Some(&[]), Some(&[])]),
        (json!("a"),                     [Some(&["a"]),          Some(&["a"]),         Some(&["a"]),           NO,        NO]),
        (json!("a b,c"),                 [Some(&["a b,c"]),      Some(&["a", "b,c"]),  Some(&["a b", "c"]),    NO,        NO]),
        (json!(" a , b ,, "),            [Some(&[" a , b ,, "]), Some(&["a", ",", "b", ",,"]), Some(&["a", "b"]), NO,     NO]),
        (json!(""),                      [Some(&[""]),           Some(&[]),            Some(&[]),              NO,        NO]),
        (json!(["a", "b c", "d,e"]),     [Some(&["a", "b c", "d,e"]), Some(&["a", "b", "c", "d,e"]), Some(&["a", "b c", "d", "e"]), NO, NO]),
        (json!([]),                      [Some(&[]),             Some(&[]),            Some(&[]),              Some(&[]), NO]),
        (json!({ "b": {}, "a": { "x": "y" } }), [NO,             NO,                   NO,                     Some(&["a", "b"]), NO]),
        (json!({ "a": false, "b": null, "c": true, "d": 0, "e": "" }), [NO, NO,        NO,                     Some(&["c", "d", "e"]), NO]),
        (json!([{ "b": {} }, { "a": {}, "b": {} }]), [NO,        NO,                   NO,                     Some(&["a", "b"]), NO]),
        (json!({}),                      [NO,                    NO,                   NO,                     Some(&[]), NO]),
        (json!([{}, "a"]),               [NO,                    NO,                   NO,                     NO,        NO]),
        (json!([["a"]]),                 [NO,                    NO,                   NO,                     NO,        NO]),
        (json!(["a", null]),             [NO,                    NO,                   NO,                     NO,        NO]),
        (json!(["a", 7]),                [NO,                    NO,                   NO,                     NO,        NO]),
        (json!(true),                    [NO,                    NO,                   NO,                     NO,        Some(&["r"])]),
        (json!(false),                   [NO,                    NO,                   NO,                     NO,        Some(&[])]),
        (json!(1),                       [NO,                    NO,                   NO,                     NO,        NO]),
        (json!("true"),                  [Some(&["true"]),       Some(&["true"]),      Some(&["true"]),        NO,        NO]),
    ];
    for (value, expected) in table {
        for ((form, source), expected) in forms.iter().zip(expected) {
            match (roles(source(), &value).await, expected) {
                (Ok(found), Some(expected)) => assert_eq!(found, expected, "{form}: {value}"),
                (Err(told), None) => assert!(told.contains("claims cannot be read: r"), "{form}: {value}: {told}"),
                (found, expected) => panic!("{form}: {value}: {found:?}, expected {expected:?}"),
            }
            // What is of another type is left out where a setting says so, and all else is the same.
            let lenient = roles(source().ignore_other_types(), &value).await.unwrap();
            match expected {
                Some(expected) => assert_eq!(lenient, expected, "{form}: {value}"),
                None => assert!(lenient.iter().all(|role| role == "a"), "{form}: {value}: {lenient:?}"),
            }
        }
    }
    // Good elements stay.
    for (source, value) in
        [(r(), json!(["a", 7, null, "b", ["c"]])), (r().member_names(), json!([{ "a": 1 }, "c", { "b": 1 }]))]
    {
        assert_eq!(roles(source.ignore_other_types(), &value).await.unwrap(), ["a", "b"], "{value}");
    }
}

#[tokio::test]
async fn the_log_names_the_claim_and_the_type() {
    for (source, value, told) in [
        (r(), json!(true), "r: expected a string or a list of strings, found a boolean"),
        (r(), json!({ "a": 1 }), "r: expected a string or a list of strings, found an object"),
        (r(), json!(["a", 7]), "r/1: expected a string, found an integer"),
        (r().comma_separated(), json!(7), "r: expected a string or a list of strings, found a number"),
        (r().comma_separated(), json!([[]]), "r: expected a list of strings, found a list in a list"),
        (r().member_names(), json!("a"), "r: expected an object or a list of objects, found a string"),
        (r().name_if_true(), json!("true"), "r: expected a boolean, found a string"),
        (
            ClaimSource::new("/r/x/y"),
            json!({ "x": { "y": 7 } }),
            "/r/x/y: expected a string or a list of strings, found a number",
        ),
        (
            ClaimSource::path(["r", "a/b"]),
            json!({ "a/b": [null] }),
            "/r/a~1b: expected a list of strings, found null in a list",
        ),
    ] {
        let said = roles(source, &value).await.unwrap_err();
        assert_eq!(
            said,
            format!(
                "the token is malformed: its claims cannot be read: {told} (the issuer is \"https://issuer.test/\")"
            )
        );
    }
    // The claims that every token has are named too, and nothing of the token that is not printable.
    for (name, value, told) in [
        ("exp", json!("tomorrow"), "exp: expected seconds since 1970, found a string"),
        ("aud", json!({}), "aud: expected a string or a list of strings, found an object"),
        ("sub", json!(7), "sub: expected a string, found an integer"),
        ("nbf", json!(-1), "nbf: "),
    ] {
        let (error, said) = explained(strict(), &token(&claims(NOW).raw(name, value))).await.unwrap_err();
        assert!(said.contains(&format!("cannot be read: {told}")), "{said}");
        assert!(matches!(error, TokenError::Malformed(_)));
    }
    let (_, said) =
        explained(strict(), &token(&claims(NOW).raw("x\\u001b\\n", "[").without("scope"))).await.unwrap_err();
    assert!(said.contains("invalid JSON") && !said.contains(['\n', '\u{1b}']), "{said}");
}

/// A role of a client cannot be taken for one of the realm, and a value cannot leave its prefix.
#[tokio::test]
async fn a_prefix_keeps_values_apart() {
    let builder = || {
        strict()
            .roles_from(ClaimSource::new("/realm_access/roles").prefix("realm:"))
            .roles_from(ClaimSource::path(["resource_access", "a/b.c", "roles"]).prefix("api:"))
            .scopes_from(ClaimSource::new("scope").prefix("s:"))
            .account_from(ClaimSource::new("tid").prefix("tenant:"))
    };
    let full = claims(NOW)
        .raw("realm_access", json!({ "roles": ["admin"] }))
        .raw("resource_access", json!({ "a/b.c": { "roles": ["admin", "realm:admin"] } }))
        .text("scope", "read write")
        .text("tid", "t1");
    let who = principal(builder(), &full).await;
    assert_eq!(who.roles(), ["realm:admin", "api:admin", "api:realm:admin"]);
    assert_eq!((who.scopes(), who.account()), (&["s:read".to_owned(), "s:write".to_owned()][..], Some("tenant:t1")));
    // A prefix alone is no value.
    let empty = claims(NOW).raw("realm_access", json!({ "roles": ["", " ", "a"] })).text("tid", "");
    let who = principal(builder(), &empty).await;
    assert_eq!((who.roles(), who.account()), (&["realm:a".to_owned()][..], None));
    // A scope has no space: it would be two scopes, and the second without the prefix.
    for (source, value) in [
        (ClaimSource::new("p").member_names().prefix("x:"), json!({ "a admin": {}, "b": {} })),
        (ClaimSource::new("p").comma_separated().prefix("x:"), json!("a admin,b")),
        (ClaimSource::new("p").comma_separated(), json!("a admin,b")),
    ] {
        let (error, said) =
            explained(strict().scopes_from(source.clone()), &token(&claims(NOW).raw("p", &value))).await.unwrap_err();
        assert!(
            matches!(error, TokenError::Malformed(_)) && said.contains("p: expected scopes without spaces"),
            "{said}"
        );
        let who = principal(strict().scopes_from(source.ignore_other_types()), &claims(NOW).raw("p", &value)).await;
        assert_eq!(who.scopes().len(), 1, "{:?}", who.scopes());
        assert!(who.scopes()[0].ends_with('b'), "{:?}", who.scopes());
    }
    let said = strict().scopes_from(ClaimSource::new("a").prefix("x ")).build().unwrap_err().to_string();
    assert!(said.contains("has a space"), "{said}");
}

/// The names of claims have slashes, colons and dots.
#[tokio::test]
async fn names_are_taken_whole() {
    for name in ["cognito:groups", "https://stytch.com/session", "kubernetes.io", "a/b", "/a", "~", "a~1b", "a b", "$x"]
    {
        let source = ClaimSource::path([name.to_owned()]);
        let who = principal(strict().roles_from(source), &claims(NOW).raw(name, json!(["admin"]))).await;
        assert_eq!(who.roles(), ["admin"], "{name}");
        let source = ClaimSource::path([name.to_owned(), name.to_owned()]);
        let inside = claims(NOW).raw(name, json!({ name: ["admin"] }));
        assert_eq!(principal(strict().roles_from(source), &inside).await.roles(), ["admin"], "{name}");
        let source = ClaimSource::path(["x".to_owned(), name.to_owned()]).name_if_true();
        let flag = claims(NOW).raw("x", json!({ name: true }));
        assert_eq!(principal(strict().roles_from(source), &flag).await.roles(), [name], "{name}");
    }
    for name in ["cognito:groups", "https://stytch.com/session", "/kubernetes.io", "/a~1b"] {
        let claim = name.trim_start_matches('/').replace("~1", "/");
        let who = principal(strict().roles_from(name), &claims(NOW).raw(&claim, json!(["admin"]))).await;
        assert_eq!(who.roles(), ["admin"], "{name}");
    }
    for path in [vec![], vec![""], vec!["a", ""], vec![" ", "a"]] {
        let said = strict().roles_from(ClaimSource::path(path)).build().unwrap_err().to_string();
        assert!(said.contains("path") && said.contains("help:"), "{said}");
    }
}

/// Shapes that issuers document.
#[tokio::test]
async fn documented_shapes_are_read() {
    let clerk = claims(NOW).raw("o", json!({ "id": "org_1", "rol": "admin", "per": "read,manage", "fpm": "3" }));
    let builder = strict()
        .organizations_from("/o/id")
        .roles_from("/o/rol")
        .scopes_from(ClaimSource::new("/o/per").comma_separated());
    let who = principal(builder, &clerk).await;
    assert_eq!((&who.organizations()[0], &who.roles()[0]), (&"org_1".to_owned(), &"admin".to_owned()));
    assert_eq!(who.scopes(), ["read", "manage"]);

    let zitadel = "urn:zitadel:iam:org:project:roles";
    let builder = || strict().roles_from(ClaimSource::new(zitadel).member_names());
    for value in
        [json!({ "admin": { "1": "acme.test" }, "user": { "1": "x" } }), json!([{ "user": {} }, { "admin": {} }])]
    {
        assert_eq!(principal(builder(), &claims(NOW).raw(zitadel, &value)).await.roles(), ["admin", "user"], "{value}");
    }

    let keycloak = strict().organizations_from(ClaimSource::new("organization").member_names());
    let who =
        principal(keycloak, &claims(NOW).raw("organization", json!({ "acme": {}, "other": { "id": "1" } }))).await;
    assert_eq!(who.organizations(), ["acme", "other"]);

    // Roles of Firebase are booleans beside claims of any type.
    let firebase = strict()
        .roles_from(ClaimSource::new("admin").name_if_true())
        .roles_from(ClaimSource::new("editor").name_if_true())
        .roles_from(ClaimSource::new("/roles").member_names());
    let custom =
        claims(NOW).raw("admin", true).raw("editor", false).raw("roles", json!({ "staff": true, "root": false }));
    assert_eq!(principal(firebase, &custom).await.roles(), ["admin", "staff"]);

    let entra = strict().scopes_from("scp").scopes_from("roles").roles_from("roles").roles_from("wids");
    let app = claims(NOW).raw("roles", json!(["Tasks.Read"])).raw("wids", json!(["62e90394"]));
    let who = principal(entra, &app).await;
    assert_eq!(
        (who.scopes(), who.roles()),
        (&["Tasks.Read".to_owned()][..], &["Tasks.Read".to_owned(), "62e90394".to_owned()][..])
    );

    let supabase = principal(strict().roles_from("role"), &claims(NOW).text("role", "authenticated")).await;
    assert_eq!(supabase.roles(), ["authenticated"]);
}
