//! Who may refresh a session that is bound to a key, over all stores.

use std::time::Duration;

use tower_auth::{
    MemoryKeyStore, Peppers, PostgresKeyStore, SqliteKeyStore,
    session::{SessionFilter, SessionStore, Sessions},
};

use super::*;
use crate::support::{folder::Folder, postgres};

impl Desk {
    /// Endpoints whose sessions are in this store.
    fn over(store: impl SessionStore) -> Self {
        let desk = Self::new();
        let issuer = desk.sessions.issuer().clone();
        let sessions = Sessions::builder(issuer, store, &Peppers::ephemeral().unwrap()).build().unwrap();
        let endpoints = AuthEndpoints::new(sessions.clone()).keys(desk.keys.clone()).dpop(Dpop::new(ORIGIN));
        Self { sessions, endpoints, ..desk }
    }

    async fn stored_key(&self) -> Option<String> {
        let all = self.sessions.list(&SessionFilter::subject("alice")).await.unwrap();
        assert_eq!(all.len(), 1);
        all[0].proof_key().map(str::to_owned)
    }
}

/// A thief of the refresh token has no key: it neither uses the token up nor ends the session.
async fn only_the_key_refreshes(desk: &Desk) {
    let first = desk.bound_session("es256").await;
    let first = refresh_token(&first).to_owned();
    let thief = async |token: &str| {
        let other = || sealed("ed25519", "/token");
        let refused = [
            desk.refresh_by_form(token, None).await,
            desk.refresh_by_form(token, Some(&other())).await,
            desk.form("/token", &[("dpop", &other())], &[GRANT, ("refresh_token", token), ("client_id", "web-app")])
                .await,
        ];
        for told in refused {
            assert_eq!(told.error(), error(400, "invalid_grant"));
            let refusal = told.refusal.unwrap();
            assert!(refusal.private_cause().unwrap().to_string().contains("bound to a key"), "{refusal:?}");
        }
        for proof in [None, Some(&*sealed("ed25519", "/refresh"))] {
            assert_eq!(desk.refresh_by_json(token, proof).await.status, 401);
        }
    };
    thief(&first).await;
    let second = desk.refresh_by_form(&first, Some(&sealed("es256", "/token"))).await;
    assert_bound(&second, "es256");
    assert_eq!(claims(&second.text("access_token"))["client_id"], "web-app");
    let second = second.text("refresh_token");
    assert_ne!(second, first);
    thief(&first).await;
    desk.hand.advance(Duration::from_secs(45));
    // Its grace is over. With the key, it would be a sign of theft.
    thief(&first).await;
    let at = SECONDS + 45;
    let late = |path: &str| proof("es256", path).claim(|claims| claims.raw("iat", at)).sealed();
    let third = desk.refresh_by_json(&second, Some(&late("/refresh"))).await;
    assert_bound(&third, "es256");
    assert_eq!(desk.stored_key().await, Some(jkt(key("es256"))));
    assert_eq!(desk.refresh_by_form(&first, Some(&late("/token"))).await.error(), error(400, "invalid_grant"));
    let ended = desk.refresh_by_form(&third.text("refresh_token"), Some(&late("/token"))).await;
    assert_eq!(ended.error(), error(400, "invalid_grant"), "the key has used an old token: the session has ended");
}

#[tokio::test]
async fn r076_only_the_key_refreshes_a_session_in_memory() {
    only_the_key_refreshes(&Desk::over(MemoryKeyStore::new())).await;
}

#[tokio::test]
async fn r076_only_the_key_refreshes_a_session_in_sqlite() {
    let folder = Folder::new("bound-sessions");
    let store = SqliteKeyStore::open(folder.path().join("keys.db")).unwrap();
    store.migrate().await.unwrap();
    only_the_key_refreshes(&Desk::over(store)).await;
}

#[tokio::test]
async fn r076_only_the_key_refreshes_a_session_in_postgres() {
    let Some(database) = postgres::database().await else { return };
    let store = PostgresKeyStore::from_pool(database.pool(4));
    store.migrate().await.unwrap();
    only_the_key_refreshes(&Desk::over(store)).await;
}

/// Also sessions of before there were keys.
#[tokio::test]
async fn r076_a_session_that_began_without_a_proof_is_never_bound() {
    let desk = Desk::over(MemoryKeyStore::new());
    let session = desk.session(Some("web-app")).await;
    let bound = desk.refresh_by_form(refresh_token(&session), Some(&sealed("es256", "/token"))).await;
    assert_bound(&bound, "es256");
    assert_eq!(desk.stored_key().await, None);
    let free = desk.refresh_by_form(&bound.text("refresh_token"), None).await;
    assert_free(&free);
    assert_bound(
        &desk.refresh_by_form(&free.text("refresh_token"), Some(&sealed("ed25519", "/token"))).await,
        "ed25519",
    );
}

/// Its refresh tokens are bound to the client, which authenticates itself.
#[tokio::test]
async fn r076_a_confidential_client_may_change_its_key() {
    let desk = Desk::bound();
    let other = desk.other_key("key_2");
    let first = bare("/token", &[("x-api-key", desk.key.expose()), ("dpop", &sealed("es256", "/token"))]);
    let mut token = ask(&desk.endpoints, first).await.text("refresh_token");
    // A request without authentication, one that only says who it is, and one of another client.
    let stranger = ("x-api-key", other.expose());
    for (headers, name) in [(&[][..], ""), (&[], "key_1"), (&[stranger], ""), (&[stranger], "key_2")] {
        let proof = sealed("ed25519", "/token");
        let headers = [headers, &[("dpop", &*proof)]].concat();
        let told = desk.form("/token", &headers, &[GRANT, ("refresh_token", &token), ("client_id", name)]).await;
        assert_eq!(told.error(), error(400, "invalid_grant"), "{name}");
    }
    for client in ["ed25519", "es384", "es256"] {
        let headers = [desk.key()[0], ("dpop", &*sealed(client, "/token"))];
        let told = desk.form("/token", &headers, &[GRANT, ("refresh_token", &token)]).await;
        assert_bound(&told, client);
        token = told.text("refresh_token");
    }
    assert_free(&desk.grant(&[GRANT, ("refresh_token", &token)]).await);
}

/// Nobody can become the client of a session that has none.
#[tokio::test]
async fn r076_a_client_cannot_take_over_the_bound_session_of_no_client() {
    let desk = Desk::bound();
    let grant = Grant::of(&Principal::builder("alice").scopes(["read"]).build());
    let asked = TokenRequest::new().proof_key(jkt(key("es256")));
    let session = desk.sessions.begin(grant, &asked).await.unwrap();
    let told = desk.grant(&[GRANT, ("refresh_token", refresh_token(&session))]).await;
    assert_eq!(told.error(), error(400, "invalid_grant"));
    let headers = [desk.key()[0], ("dpop", &*sealed("ed25519", "/token"))];
    let told = desk.form("/token", &headers, &[GRANT, ("refresh_token", refresh_token(&session))]).await;
    assert_eq!(told.error(), error(400, "invalid_grant"));
    assert_bound(&desk.refresh_by_form(refresh_token(&session), Some(&sealed("es256", "/token"))).await, "es256");
}
