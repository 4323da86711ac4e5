//! Nonces, required proofs, and settings that cannot be used.

use std::time::Duration;

use axum::Router;
use tower_auth::{RejectionKind, dpop::Nonces, endpoints::SessionCookies, token::Algorithm};

use super::*;
use crate::support::{server::exchange, sockets};

fn with_nonce(client: &'static str, path: &str, at: u64, nonce: &str) -> String {
    proof(client, path).claim(|claims| claims.raw("iat", at).text("nonce", nonce)).sealed()
}

/// RFC 9449, section 8: 400 with a nonce, the same request with the nonce, and a newer one with its answer.
#[tokio::test]
async fn r076_a_nonce_is_demanded_and_renewed() {
    let desk = Desk::proving(Dpop::new(ORIGIN).nonces(Nonces::new([7; 32]).unwrap()));
    let session = desk.bound_session("es256").await;
    let mut token = refresh_token(&session).to_owned();
    let demanded = desk.refresh_by_form(&token, Some(&sealed("es256", "/token"))).await;
    assert_eq!(demanded.error(), error(400, "use_dpop_nonce"));
    let nonce = demanded.header("dpop-nonce").unwrap().to_owned();
    assert!(demanded.header("www-authenticate").is_none() && demanded.refusal.is_some());
    for told in [
        desk.refresh_by_json(&token, Some(&sealed("es256", "/refresh"))).await,
        ask(&desk.endpoints, bare("/token", &[desk.key()[0], ("dpop", &sealed("es256", "/token"))])).await,
        desk.refresh_by_form(&token, Some(&with_nonce("es256", "/token", SECONDS, "made-up"))).await,
    ] {
        assert_eq!((told.error(), told.header("dpop-nonce")), (error(400, "use_dpop_nonce"), Some(&*nonce)));
    }
    // Another fault of the proof is told as such, and gives no nonce away.
    let wrong = desk.refresh_by_form(&token, Some(&with_nonce("es256", "/elsewhere", SECONDS, &nonce))).await;
    assert_eq!((wrong.error(), wrong.header("dpop-nonce")), (error(400, "invalid_dpop_proof"), None));

    // The clock of the client does not matter.
    let good = desk.refresh_by_form(&token, Some(&with_nonce("es256", "/token", SECONDS - 9_000, &nonce))).await;
    assert_bound(&good, "es256");
    assert_eq!(good.header("dpop-nonce"), None, "it is the newest");
    token = good.text("refresh_token");
    let mut newer = None;
    for _ in 0..60 {
        desk.hand.advance(Duration::from_secs(10));
        let told = desk.refresh_by_json(&token, Some(&with_nonce("es256", "/refresh", SECONDS, &nonce))).await;
        assert_bound(&told, "es256");
        token = told.text("refresh_token");
        if let Some(given) = told.header("dpop-nonce") {
            newer = Some(given.to_owned());
            break;
        }
    }
    let newer = newer.expect("a nonce of the period before is replaced by the newest");
    assert_ne!(newer, nonce);
    let headers = [desk.key()[0], ("dpop", &*with_nonce("es256", "/token", SECONDS, &newer))];
    assert_bound(&ask(&desk.endpoints, bare("/token", &headers)).await, "es256");
    // Without a proof, nothing is demanded.
    assert_free(&desk.grant(&[("grant_type", "client_credentials")]).await);
    let handler = desk.endpoints.token_request(&RequestHead::from(
        &Request::post("/sign-in").header("dpop", sealed("es256", "/sign-in")).body(()).unwrap(),
    ));
    let refused = handler.unwrap_err().into_response::<tower_auth::FullBody>();
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("dpop-nonce")), (400, true));
}

#[tokio::test]
async fn r076_if_proofs_are_required_no_token_is_issued_without_one() {
    let desk = Desk::proving(Dpop::new(ORIGIN).require());
    let desk = Desk { endpoints: desk.endpoints.clone().cookies(SessionCookies::new()), ..desk };
    let session = desk.session(None).await;
    let token = refresh_token(&session);
    let subject = foreign("ci");
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &*subject),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ];
    let cookie = desk.endpoints.clone();
    for told in [
        ask(&desk.endpoints, bare("/token", &desk.key())).await,
        desk.grant(&[("grant_type", "client_credentials")]).await,
        desk.form("/token", &[], &exchange).await,
        desk.refresh_by_form(token, None).await,
        desk.refresh_by_json(token, None).await,
        ask(&cookie, bare("/refresh", &[("sec-fetch-site", "same-origin")])).await,
    ] {
        assert_eq!(told.error(), error(400, "invalid_dpop_proof"));
        let cause = told.refusal.unwrap().private_cause().unwrap().to_string();
        assert!(cause.contains("Dpop::require"), "{cause}");
    }
    assert_bound(&desk.refresh_by_form(token, Some(&sealed("es256", "/token"))).await, "es256");
    // What issues no token needs no proof.
    assert_eq!(desk.form("/introspect", &desk.key(), &[("token", token)]).await.status, 200);
    assert_eq!(desk.json("/logout", &[], &json!({ "refresh_token": token })).await.status, 200);
    let none = desk.endpoints.token_request(&RequestHead::from(&Request::post("/").body(()).unwrap()));
    assert_eq!(none.unwrap_err().kind(), RejectionKind::Custom);
}

#[tokio::test]
async fn r076_settings_that_cannot_be_used_refuse_every_request() {
    for dpop in
        [Dpop::new("api.test"), Dpop::new(ORIGIN).algorithms([Algorithm::Hs256]), Dpop::new(ORIGIN).algorithms([])]
    {
        let desk = Desk::proving(dpop);
        let told = ask(&desk.endpoints, bare("/token", &desk.key())).await;
        assert_eq!(told.kind(), (500, RejectionKind::Internal));
    }
}

/// The address of a proof is the one that clients use, also below a path of the framework.
#[tokio::test]
async fn r076_below_a_path_of_axum() {
    let desk = Desk::bound();
    let app = Router::new().nest_service("/v1/auth", desk.endpoints.clone());
    let running = sockets::axum(app).await;
    let send = async |proof: String| {
        let (address, key) = (running.address, desk.key.expose().to_owned());
        let head = format!("POST /v1/auth/token?x=1 HTTP/1.1\r\nx-api-key: {key}\r\ndpop: {proof}\r\nhost: evil.test");
        let request = format!("{head}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        tokio::task::spawn_blocking(move || exchange(address, request.as_bytes())).await.unwrap()
    };
    let reply = send(sealed("es256", "/v1/auth/token")).await;
    assert_eq!((reply.status, &reply.json()["token_type"]), (200, &json!("DPoP")), "{}", reply.body);
    for path in ["/token", "/v1/auth/refresh", "/v1/auth/token/"] {
        let reply = send(sealed("es256", path)).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_dpop_proof")), "{path}");
    }
}
