//! What the metadata say, and what is an error when they are built.

use serde_json::{Value, json};
use tower_auth::{
    BearerLayer, Rules, TokenVerifier,
    permission::{any_scope, role, scope},
    resource::{ProtectedResource, ProtectedResourceBuilder},
    token::{KeySet, Tenants},
};

use super::{RESOURCE, URL};
use crate::tokens::{self, mint};

fn builder() -> ProtectedResourceBuilder {
    ProtectedResource::builder(RESOURCE).issuer("https://id.example.com/")
}

fn document(builder: ProtectedResourceBuilder) -> Value {
    serde_json::from_str(builder.build().unwrap().document()).unwrap()
}

fn error(builder: ProtectedResourceBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn the_least_document() {
    assert_eq!(
        document(builder()),
        json!({
            "resource": RESOURCE,
            "authorization_servers": ["https://id.example.com/"],
            "bearer_methods_supported": ["header"],
        })
    );
}

#[test]
fn everything_that_can_be_said() {
    let rules = Rules::new()
        .public("GET /health")
        .require("/a", scope("read"))
        .require("/b", any_scope(["write", "admin"]))
        .require("/c", role("admin"))
        .require("/d", scope("offline_access"))
        .otherwise(scope("rest"));
    let all = ProtectedResource::builder(RESOURCE)
        .verifier(&tokens::strict().build().unwrap())
        .issuer("https://id.example.com/")
        .issuer("https://id.example.com") // another issuer: they are strings
        .issuer("https://id.example.com/")
        .scopes(["first", "read"])
        .rules(&rules)
        .name("Notes \"and\" more")
        .member("resource_name#de", "Notizen")
        .documentation("https://api.example.com/docs?a=b#c".trim_end_matches("#c"))
        .policy_uri("https://api.example.com/policy")
        .tos_uri("https://api.example.com/terms")
        .dpop_algorithms(["ES256", "EdDSA"])
        .dpop_required()
        .certificate_bound_tokens()
        .member("authorization_details_types_supported", ["payment"])
        .member("empty", [""; 0])
        .member("nothing", None::<u8>)
        .member("x_number", 3);
    assert_eq!(
        document(all),
        json!({
            "resource": RESOURCE,
            "authorization_servers": [mint::ISSUER, "https://id.example.com/", "https://id.example.com"],
            "scopes_supported": ["first", "read", "write", "rest"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Notes \"and\" more",
            "resource_name#de": "Notizen",
            "resource_documentation": "https://api.example.com/docs?a=b",
            "resource_policy_uri": "https://api.example.com/policy",
            "resource_tos_uri": "https://api.example.com/terms",
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA"],
            "dpop_bound_access_tokens_required": true,
            "tls_client_certificate_bound_access_tokens": true,
            "authorization_details_types_supported": ["payment"],
            "x_number": 3,
        })
    );
}

#[test]
fn the_identifier_is_published_as_it_is() {
    for (resource, url) in [
        (RESOURCE, URL),
        ("https://api.example.com", "https://api.example.com/.well-known/oauth-protected-resource"),
        // A lone slash is no path, and still a part of the identifier.
        ("https://api.example.com/", "https://api.example.com/.well-known/oauth-protected-resource"),
        ("https://api.example.com:8443/a/b", "https://api.example.com:8443/.well-known/oauth-protected-resource/a/b"),
        ("https://api.example.com/mcp/", "https://api.example.com/.well-known/oauth-protected-resource/mcp/"),
        ("https://api.example.com/Mcp%20x", "https://api.example.com/.well-known/oauth-protected-resource/Mcp%20x"),
        ("http://localhost:3000/mcp", "http://localhost:3000/.well-known/oauth-protected-resource/mcp"),
        ("http://127.0.0.1/mcp", "http://127.0.0.1/.well-known/oauth-protected-resource/mcp"),
    ] {
        let built = ProtectedResource::builder(resource).issuer("https://id.example.com").build().unwrap();
        assert_eq!((built.resource(), built.url(), String::from(&built)), (resource, url, url.to_owned()));
        let document: Value = serde_json::from_str(built.document()).unwrap();
        assert_eq!(document["resource"], resource);
    }
}

#[test]
fn an_identifier_with_a_slash_at_its_end_is_warned_of() {
    for (resource, warned) in [("https://a.test/mcp/", true), ("https://a.test/mcp", false), ("https://a.test/", false)]
    {
        let logs = crate::no_leak::Logs::capture();
        let _built = ProtectedResource::builder(resource).issuer("https://id.example.com").build().unwrap();
        assert_eq!(logs.text().contains("ends with a slash"), warned, "{resource}");
    }
}

#[test]
fn an_identifier_that_no_client_could_use_is_an_error() {
    for (resource, why) in [
        ("", "is not a URL"),
        ("/mcp", "a scheme and a host"),
        ("api.example.com/mcp", "is not a URL"),
        ("http://api.example.com/mcp", "https"),
        ("https://api.example.com/mcp#a", "fragment"),
        ("https://api.example.com/mcp?a", "query"),
        ("https://bob:word@api.example.com/mcp", "user"),
        ("https://API.example.com/mcp", "capitals"),
        ("HTTPS://api.example.com/mcp", "capitals"),
        ("https://api.example.com/m cp", "percent-encoded"),
    ] {
        let error = error(ProtectedResource::builder(resource).issuer("https://id.example.com"));
        assert!(error.contains("protected resource") && error.contains(why) && !error.contains("word"), "{error}");
    }
    let nobody = error(ProtectedResource::builder(RESOURCE));
    assert!(nobody.contains("no authorization server") && nobody.contains("verifier(..)"), "{nobody}");
    let nowhere = error(ProtectedResource::builder("https://a.test/").issuer("https://id.example.com").not_at_root());
    assert!(nowhere.contains("no path"), "{nowhere}");
}

/// A verifier may know an issuer by other names, and many tenants by one template.
#[test]
fn issuers_of_a_verifier_are_listed_if_clients_can_use_them() {
    let keys = || KeySet::from_json(mint::jwks(&["es256"]).as_bytes()).unwrap();
    let verifier = |issuer: &'static str, others: &[&'static str]| {
        let tokens = TokenVerifier::key_set(issuer, keys()).audience("api").tenants(Tenants::only(["acme"]));
        others.iter().fold(tokens, |tokens, other| tokens.also_issuer(*other)).build().unwrap()
    };
    let listed = |tokens: TokenVerifier| document(ProtectedResource::builder(RESOURCE).verifier(&tokens));
    let template = "https://login.example.com/{tenantid}/v2.0";
    let google = listed(verifier(template, &["accounts.google.com", "https://accounts.google.com"]));
    assert_eq!(google["authorization_servers"], json!(["https://accounts.google.com"]));
    let error = error(ProtectedResource::builder(RESOURCE).verifier(&verifier(template, &[])));
    assert!(error.contains("is a template") && error.contains("issuer(..)"), "{error}");
}

#[test]
fn settings_that_say_nothing_true_are_errors() {
    let name = tower_auth::token::VerifyingKey::hmac(
        tower_auth::token::Algorithm::Hs256,
        &tower_auth::Secret::new("an example of thirty-two bytes.."),
    );
    let local = TokenVerifier::keys("my service", [name.unwrap()]).audience("api").build().unwrap();
    for (builder, what) in [
        (builder().verifier(&local), "the issuer \"my service\""),
        (builder().issuer("http://id.example.com"), "the issuer"),
        (builder().issuer("https://id.example.com?a"), "the issuer"),
        (builder().scopes(["two words"]), "\"two words\""),
        (builder().scopes([""]), "\"\""),
        (builder().scopes(["offline_access"]), "offline_access"),
        (builder().documentation("/docs"), "resource_documentation"),
        (builder().policy_uri("policy"), "resource_policy_uri"),
        (builder().tos_uri("http://a.test"), "resource_tos_uri"),
        (builder().dpop_algorithms(["none"]), "\"none\""),
        (builder().dpop_algorithms(["ES256", "HS256"]), "\"HS256\""),
        (builder().member("resource", "x"), "\"resource\""),
        (builder().member("authorization_servers", ["x"]), "issuer(..)"),
        (builder().member("scopes_supported", ["x"]), "scopes(..)"),
        (builder().member("bearer_methods_supported", ["body"]), "always"),
        (builder().name("a").name("b"), "twice"),
        (builder().member("x", std::collections::BTreeMap::from([((1, 2), 3)])), "is no JSON"),
    ] {
        let error = error(builder);
        assert!(error.contains(what), "{what}: {error}");
    }
}

#[test]
fn the_layer_takes_only_a_url_that_clients_can_use() {
    let layer = || BearerLayer::new(tokens::strict().build().unwrap());
    let build = |layer: BearerLayer| tower_auth::AuthStack::builder().auth(layer).build();
    for url in [URL, "http://localhost:1/.well-known/oauth-protected-resource", "https://a.test/?b"] {
        assert!(build(layer().resource_metadata(url)).is_ok(), "{url}");
    }
    for url in ["/.well-known/oauth-protected-resource", "", "http://api.example.com/x", "https://a.test/#b"] {
        let error = build(layer().resource_metadata(url)).unwrap_err().to_string();
        assert!(error.contains("the URL of the protected resource metadata"), "{url}: {error}");
    }
    for scope in ["two words", "", "offline_access", "quo\"te"] {
        let error = build(layer().challenge_scopes(["a", scope])).unwrap_err().to_string();
        assert!(error.contains(&format!("{scope:?}")), "{error}");
    }
}
