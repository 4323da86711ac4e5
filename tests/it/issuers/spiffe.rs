//! SPIFFE.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use serde_json::{Value, json};
use tower_auth::{
    BoxError, Clock, MaybeReady, issuers,
    testing::ManualClock,
    token::{Claims, KeySource, TokenError, TokenVerifierBuilder},
};

use crate::tokens::mint::{self, Object};

/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;
const API: &str = "spiffe://example.org/ns/shop/sa/api";
const WEB: &str = "spiffe://example.org/ns/shop/sa/web";
const BUNDLE: &str = "https://spire.example.org/bundle";
/// What the bundle has keys of, and what the certificates of workloads are signed with.
const TOKENS: [&str; 5] = ["rs256", "ps512", "es256", "es384", "es512"];
const CERTIFICATES: &str = "rs384";

/// A bundle of a trust domain, as SPIRE publishes it.
struct Bundle;

impl KeySource for Bundle {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        let of = |kid: &str, usage: &str| {
            let mut jwk = mint::key(kid).jwk();
            jwk["use"] = usage.into();
            jwk.as_object_mut().unwrap().remove("alg");
            jwk
        };
        // Without `alg`, an RSA key is for one algorithm.
        let mut keys: Vec<Value> = TOKENS.iter().map(|kid| of(kid, "jwt-svid")).collect();
        keys[1]["alg"] = "PS512".into();
        keys.push(of(CERTIFICATES, "x509-svid"));
        let bundle = json!({ "keys": keys, "spiffe_sequence": 12, "spiffe_refresh_hint": 300 });
        MaybeReady::ready(Ok(bundle.to_string().into()))
    }
}

fn preset() -> TokenVerifierBuilder {
    issuers::spiffe("example.org", BUNDLE).audience(API)
}

/// The claims of a JWT-SVID: no others are needed.
fn claims() -> Object {
    Object::default().text("sub", WEB).raw("aud", json!([API])).raw("exp", NOW + 300).raw("iat", NOW - 10)
}

fn sealed(kid: &str, claims: &Object) -> String {
    mint::key(kid).seal(mint::key(kid).header().without("typ"), claims)
}

async fn judge(preset: TokenVerifierBuilder, token: &str) -> Result<Claims, String> {
    let verifier = preset.keys_from(Bundle).build().unwrap();
    let clock = Clock::from(&ManualClock::at("2027-01-15T08:00:00Z"));
    // The bundle is in memory then: a token that no key makes good does not have it fetched.
    assert!(verifier.verify(&sealed("es256", &claims()), &clock).await.is_ok());
    let verdict = verifier.verify(token, &clock).await;
    verdict.map_err(|error| verifier.explain(token, &error))
}

#[tokio::test]
async fn a_jwt_svid_makes_a_principal() {
    for kid in TOKENS {
        let claims = judge(preset(), &sealed(kid, &claims())).await.unwrap();
        let who = claims.principal();
        assert_eq!((who.subject(), who.issuer()), (WEB, Some("spiffe://example.org")), "{kid}");
        assert!(who.scopes().is_empty() && who.roles().is_empty() && who.organizations().is_empty());
    }
    for typ in ["JWT", "JOSE"] {
        let key = mint::key("es256");
        assert!(judge(preset(), &key.seal(key.header().text("typ", typ), claims())).await.is_ok(), "{typ}");
    }
    // The kid may be missing in a token.
    let key = mint::key("es384");
    assert!(judge(preset(), &key.seal(key.header().without("typ").without("kid"), claims())).await.is_ok());
    let oidc = "https://oidc.example.org";
    let named = judge(preset().also_issuer(oidc), &sealed("es256", &claims().text("iss", oidc))).await.unwrap();
    assert_eq!(named.principal().issuer(), Some(oidc));
}

#[tokio::test]
async fn mistakes_are_named() {
    for (bad, cause) in [
        (claims().text("sub", "spiffe://other.org/ns/shop/sa/web"), "spiffe://other.org/ns/shop/sa/web"),
        (claims().text("sub", "spiffe://example.org.evil.org/web"), "the prefix is \"spiffe://example.org/\""),
        (claims().text("sub", "spiffe://example.org"), "the prefix is \"spiffe://example.org/\""),
        (claims().text("sub", "web"), "\"web\""),
        (claims().without("sub"), "the subject is missing"),
        (claims().without("aud"), "no audience"),
        (claims().raw("aud", json!(["spiffe://example.org/ns/shop/sa/mail"])), "sa/mail"),
        (claims().without("exp"), "exp is missing"),
        (claims().raw("exp", NOW), "expired"),
        (claims().text("iss", "https://oidc.example.org"), "https://oidc.example.org"),
    ] {
        let told = judge(preset(), &sealed("es256", &bad)).await.unwrap_err();
        assert!(told.contains(cause), "{cause}: {told}");
    }
    let key = mint::key("es256");
    let typ = judge(preset(), &key.seal(key.header(), claims())).await.unwrap_err();
    assert!(typ.contains("typ is \"at+jwt\""), "{typ}");
    let certificate = judge(preset(), &sealed(CERTIFICATES, &claims())).await.unwrap_err();
    assert!(certificate.contains("rs384"), "{certificate}");
    let stranger = mint::attackers().iter().find(|other| other.alg == "ES256").unwrap();
    let forged = stranger.seal(key.header().without("typ"), claims());
    assert!(judge(preset(), &forged).await.unwrap_err().contains("signature is invalid"));
    let unsigned = format!("{}.{}.", mint::b64(key.header().text("alg", "none")), mint::b64(claims()));
    assert!(judge(preset(), &unsigned).await.unwrap_err().contains("none"));
}

#[test]
fn a_trust_domain_is_a_name() {
    for odd in ["", "spiffe://example.org", "example.org/", "Example.org", "a b", "example.org:8443"] {
        let said = issuers::spiffe(odd, BUNDLE).audience(API).build().unwrap_err().to_string();
        assert!(said.contains(&format!("issuers::spiffe got {odd:?}")) && said.contains("\"example.org\""), "{said}");
    }
    let said = issuers::spiffe("example.org", BUNDLE).build().unwrap_err().to_string();
    assert!(said.contains("has no audience"), "{said}");
}

#[test]
fn the_bundle_is_fetched_from_its_url() {
    let (verifier, clock) = (preset().build().unwrap(), Clock::from(&ManualClock::at("2027-01-15T08:00:00Z")));
    // Nothing is fetched: the client needs a runtime, and there is none.
    let token = sealed("es256", &claims());
    let verdict = pin!(verifier.verify(&token, &clock)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(TokenError::Unavailable(why))) = verdict else { panic!("{verdict:?}") };
    assert!(why.starts_with(&format!("{BUNDLE}: ")), "{why}");
}
