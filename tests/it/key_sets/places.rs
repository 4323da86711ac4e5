//! Where the metadata of an issuer are looked for.

use jsonwebtoken::Header;
use serde_json::json;
use tower_auth::{
    Clock, TokenVerifier,
    jwks::{JwksClient, KeyPerId},
    testing::ManualClock,
    token::{Algorithm, KeyLookup as _, Tenants},
};

use super::{
    AUDIENCE, COOLDOWN, FRESH, Fate, ISSUER, NEW, OLD, Signer, claims, noon, reason,
    server::{Act, Issuer, JWKS},
    verdict,
};

const OAUTH: &str = "/.well-known/oauth-authorization-server/a";
const INSERTED: &str = "/.well-known/openid-configuration/a";
const BELOW: &str = "/a/.well-known/openid-configuration";

/// A server with keys, and a verifier of an issuer on it that is told where the metadata are.
struct Desk {
    server: Issuer,
    issuer: String,
    hand: ManualClock,
    tokens: TokenVerifier,
}

impl Desk {
    fn new(path: &str, place: impl Fn(JwksClient, &Issuer) -> JwksClient) -> Self {
        let server = Issuer::of(&[&OLD]);
        let issuer = server.url(path);
        let client = place(JwksClient::discover(&*issuer).insecure_http(), &server);
        let tokens = TokenVerifier::source(issuer.clone(), client).audience(AUDIENCE).build().unwrap();
        Self { server, issuer, hand: noon(), tokens }
    }

    fn metadata(&self) -> Act {
        Act::json(json!({ "issuer": self.issuer, "jwks_uri": self.server.url(JWKS) }).to_string().as_bytes())
    }

    async fn fate(&self, signer: &Signer) -> Fate {
        let token = signer.sign(&signer.header(), &self.issuer);
        Fate::from(&verdict(self.tokens.verify(&token, &Clock::from(&self.hand))).await)
    }

    /// The paths that were asked for since the last call.
    fn asked(&self, seen: &mut usize) -> Vec<String> {
        let heads = self.server.heads();
        let new = heads[*seen..].iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect();
        *seen = heads.len();
        new
    }
}

#[tokio::test]
async fn every_well_known_place_is_tried_in_order() {
    for (place, asked) in
        [(OAUTH, &[OAUTH, JWKS][..]), (INSERTED, &[OAUTH, INSERTED, JWKS]), (BELOW, &[OAUTH, INSERTED, BELOW, JWKS])]
    {
        // A slash at the end of the issuer is not a part of the place.
        for path in ["/a", "/a/"] {
            let (desk, mut seen) = (Desk::new(path, |client, _| client.rfc8414()), 0);
            desk.server.serve(place, desk.metadata());
            assert_eq!((desk.fate(&OLD).await, desk.asked(&mut seen)), (Fate::Good, own(asked)), "{path}");
            // It is remembered, also when the keys change.
            desk.server.serve(JWKS, Act::publish(&[&NEW]));
            desk.hand.advance(FRESH);
            assert_eq!((desk.fate(&NEW).await, desk.asked(&mut seen)), (Fate::Good, own(&[place, JWKS])));
        }
    }
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn an_issuer_without_a_path_has_two_places() {
    let (desk, mut seen) = (Desk::new("", |client, _| client.rfc8414()), 0);
    desk.server.serve("/.well-known/openid-configuration", desk.metadata());
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    let (oauth, openid) = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration");
    assert_eq!(desk.asked(&mut seen), own(&[oauth, openid, JWKS]));
}

#[tokio::test]
async fn metadata_that_move_are_found_again() {
    let (desk, mut seen) = (Desk::new("/a", |client, _| client.rfc8414()), 0);
    desk.server.serve(BELOW, desk.metadata());
    assert_eq!(desk.fate(&OLD).await, Fate::Good);
    desk.asked(&mut seen);
    desk.server.serve(BELOW, Act::answer("404 Not Found", &[], b""));
    desk.server.serve(INSERTED, desk.metadata());
    desk.hand.advance(FRESH);
    assert_eq!(desk.fate(&NEW).await, Fate::UnknownKey);
    assert_eq!(desk.asked(&mut seen), own(&[BELOW, OAUTH, INSERTED, JWKS]));
    desk.hand.advance(COOLDOWN);
    assert_eq!(desk.fate(&NEW).await, Fate::UnknownKey);
    assert_eq!(desk.asked(&mut seen), own(&[INSERTED, JWKS]));
}

#[tokio::test]
async fn only_an_answer_of_404_leads_to_the_next_place() {
    for status in ["500 Internal Server Error", "403 Forbidden", "400 Bad Request", "301 Moved Permanently", "410 Gone"]
    {
        let (desk, mut seen) = (Desk::new("/a", |client, _| client.rfc8414()), 0);
        desk.server.serve(OAUTH, Act::answer(status, &[], b""));
        desk.server.serve(BELOW, desk.metadata());
        assert_eq!((desk.fate(&OLD).await, desk.asked(&mut seen)), (Fate::Unavailable, own(&[OAUTH])), "{status}");
    }
    // Metadata of another issuer are an answer too: nobody looks for better ones.
    let (desk, mut seen) = (Desk::new("/a", |client, _| client.rfc8414()), 0);
    desk.server
        .serve(OAUTH, Act::json(json!({ "issuer": "https://evil.test", "jwks_uri": "" }).to_string().as_bytes()));
    desk.server.serve(BELOW, desk.metadata());
    assert_eq!((desk.fate(&OLD).await, desk.asked(&mut seen)), (Fate::Unavailable, own(&[OAUTH])));
    // A place is asked only if the setting says so.
    let (desk, mut seen) = (Desk::new("/a", |client, _| client), 0);
    desk.server.serve(OAUTH, desk.metadata());
    assert_eq!((desk.fate(&OLD).await, desk.asked(&mut seen)), (Fate::Unavailable, own(&[BELOW])));
}

#[tokio::test]
async fn metadata_that_are_nowhere_are_told_with_every_place() {
    let desk = Desk::new("/a", |client, _| client.rfc8414());
    let token = OLD.sign(&OLD.header(), &desk.issuer);
    let why = reason(desk.tokens.verify(&token, &Clock::from(&desk.hand))).await;
    for place in [OAUTH, INSERTED, BELOW] {
        assert!(why.contains(&desk.server.url(place)), "{why}");
    }
}

#[tokio::test]
async fn metadata_are_where_the_configuration_says() {
    const HERE: &str = "/policy/v2.0/.well-known/openid-configuration";
    let (desk, mut seen) = (Desk::new("/a", |client, server| client.metadata_at(server.url(HERE))), 0);
    desk.server.serve(HERE, desk.metadata());
    assert_eq!((desk.fate(&OLD).await, desk.asked(&mut seen)), (Fate::Good, own(&[HERE, JWKS])));
    // They must be those of the issuer.
    let (desk, mut seen) = (Desk::new("/a", |client, server| client.metadata_at(server.url(HERE))), 0);
    let other = json!({ "issuer": desk.server.url("/b"), "jwks_uri": desk.server.url(JWKS) });
    desk.server.serve(HERE, Act::json(other.to_string().as_bytes()));
    assert_eq!((desk.fate(&OLD).await, desk.asked(&mut seen)), (Fate::Unavailable, own(&[HERE])));
}

#[tokio::test]
async fn metadata_for_all_tenants_name_the_template() {
    const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
    const HERE: &str = "/organizations/v2.0/.well-known/openid-configuration";
    const TENANT: &str = "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11";
    let server = Issuer::of(&[&OLD]);
    let about = |issuer: &str| {
        let text = json!({ "issuer": issuer, "jwks_uri": server.url(JWKS) }).to_string();
        Act::json(text.as_bytes())
    };
    let issuer = TEMPLATE.replace("{tenantid}", TENANT);
    let mut claims = claims(&issuer);
    claims["tid"] = TENANT.into();
    let token = jsonwebtoken::encode(&OLD.header(), &claims, &OLD.key()).unwrap();
    for (named, fate) in [(TEMPLATE, Fate::Good), (&*issuer, Fate::Unavailable)] {
        server.serve(HERE, about(named));
        let keys = JwksClient::discover(TEMPLATE).metadata_at(server.url(HERE)).insecure_http();
        let tokens = TokenVerifier::source(TEMPLATE, keys).audience(AUDIENCE).tenants(Tenants::any().guids());
        let outcome = verdict(tokens.build().unwrap().verify(&token, &Clock::from(&noon()))).await;
        assert_eq!(Fate::from(&outcome), fate, "{named}: {outcome:?}");
    }
}

#[test]
fn a_place_that_cannot_be_meant_is_said_when_it_is_built() {
    const ISSUER: &str = "https://id.example.com/a";
    let discover = || JwksClient::discover(ISSUER);
    let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
    for (client, said) in [
        (JwksClient::new("https://id.example.com/keys").rfc8414(), "needs no metadata"),
        (JwksClient::new("https://id.example.com/keys").metadata_at("https://b.test/"), "needs no metadata"),
        (discover().rfc8414().metadata_at("https://b.test/"), "metadata_at was called after another"),
        (discover().metadata_at("https://b.test/").rfc8414(), "rfc8414 was called after another"),
        (discover().metadata_at("http://b.test/"), "starts with http"),
        (discover().metadata_at("b.test"), "b.test"),
        (JwksClient::discover(template), "metadata_at"),
        (JwksClient::discover(template).rfc8414(), "metadata_at"),
    ] {
        use tower_auth::token::KeySource as _;
        let error = client.check_config().unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    // The issuer need not be a URL if its metadata are at one.
    let odd = JwksClient::discover("accounts.google.com").metadata_at("https://accounts.google.com/metadata");
    assert!(TokenVerifier::source("accounts.google.com", odd).audience(AUDIENCE).build().is_ok());
}

/// The URL of a key is logged once, and no id that was never asked for.
#[tokio::test]
async fn the_reason_of_a_failed_fetch_has_one_url_of_a_key() {
    for template in ["/keys/{kid}", "/keys/{kid}/pem", "/keys?id={kid}"] {
        let server = Issuer::start();
        let keys = KeyPerId::new(JwksClient::new(server.url(template)).insecure_http());
        let location = keys.location().unwrap().into_owned();
        assert!(!location.contains("id") && location.starts_with(&server.url("/keys")), "{location}");
        let id = "0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a59";
        let path = template.replace("{kid}", id);
        server.serve(&path, Act::answer("500 Internal Server Error", &[], b""));
        let tokens = TokenVerifier::lookup(ISSUER, Algorithm::Ed25519, keys).audience(AUDIENCE).build().unwrap();
        let token = OLD.sign(&Header { kid: Some(id.into()), ..OLD.header() }, ISSUER);
        let why = reason(tokens.verify(&token, &Clock::from(&noon()))).await;
        assert_eq!(why.matches("http://").count(), 1, "{why}");
        assert!(why.contains(path.split('?').next().unwrap()) && why.contains("500"), "{why}");
    }
}

#[test]
fn a_password_in_a_url_is_no_port_and_is_not_shown() {
    let built = |url: &str| TokenVerifier::jwks(ISSUER, url).audience(AUDIENCE).build();
    for url in ["https://user:pa55word@id.example.com/jwks.json", "https://user:pa55word@[::1]/jwks.json"] {
        assert!(built(url).is_ok(), "{:?}", built(url));
        assert!(!format!("{:?} {:?}", built(url), JwksClient::new(url)).contains("pa55word"));
    }
    for (url, what) in [
        ("https://user:pa55word@id.example.com:99999/jwks.json", "has an invalid port"),
        ("https://id.example.com:x/jwks.json", "has an invalid port"),
        ("http://user:pa55word@id.example.com/jwks.json", "starts with http"),
    ] {
        let error = built(url).unwrap_err().to_string();
        assert!(error.contains(what) && !error.contains("pa55word"), "{error}");
    }
}
