//! Tokens whose sessions are behind a cache: rules 115 and 116.

use std::{
    fmt::Debug,
    future::Future,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use tower_auth::{
    Clock, NewKey, TokenVerifier,
    registry::Holder,
    session::{
        CutOff, Grant, IssuedTokens, SessionEnd, SessionStore as _, Sessions, TokenFacts, TokenIssuer, TokenRequest,
    },
    token::{Claims, TokenRevocation as _, TokenStatus},
};

use super::{Process, World, ops, settle};
use crate::sessions::{alice, issuer, peppers, rt};

/// Two processes that issue and check tokens. What the first one changes is announced to the second one.
struct Site {
    world: World,
    here: Process,
    there: Process,
    sessions: [Sessions; 2],
    own: TokenVerifier,
    keys: AtomicUsize,
}

impl Site {
    async fn new() -> Self {
        let world = World::new();
        let (here, there) = (world.leased().await, world.leased().await);
        let issuer: TokenIssuer = issuer(&world.clock);
        let over =
            |process: &Process| Sessions::builder(issuer.clone(), process.keys.clone(), &peppers()).build().unwrap();
        let sessions = [over(&here), over(&there)];
        let own = issuer.verifier().build().unwrap();
        Self { world, here, there, sessions, own, keys: AtomicUsize::new(0) }
    }

    async fn begin(&self) -> IssuedTokens {
        self.sessions[0].begin(Grant::of(&alice()).client("web"), &TokenRequest::new()).await.unwrap()
    }

    /// The id of a new key, and tokens for it.
    async fn exchange(&self) -> (String, IssuedTokens) {
        let id = format!("key_{}", self.keys.fetch_add(1, SeqCst));
        let new = NewKey::named("ci").id(&*id).account("acme").organizations(["org", "other"]);
        let key = self.world.silent.create(ops(), new).await.unwrap();
        let tokens = self.sessions[0].exchange(key.key.principal(), &TokenRequest::new()).await.unwrap();
        (id, tokens)
    }

    async fn claims(&self, tokens: &IssuedTokens) -> Claims {
        self.own.verify(tokens.access_token.expose(), &Clock::from(&self.world.clock)).await.unwrap()
    }

    /// What the two processes say of a token.
    async fn say(&self, claims: &Claims) -> [TokenStatus; 2] {
        [self.sessions[0].status(claims).await.unwrap(), self.sessions[1].status(claims).await.unwrap()]
    }

    /// Asserts that a change is seen at once here, and there as soon as it is announced. Until then, both have the token cached.
    async fn sees<T, E: Debug>(
        &self,
        tokens: &IssuedTokens,
        change: impl Future<Output = Result<T, E>>,
        now: TokenStatus,
    ) {
        let claims = self.claims(tokens).await;
        assert_eq!(self.say(&claims).await, [TokenStatus::Valid; 2]);
        let asked = [&self.here, &self.there].map(|process| process.backend.asked());
        assert_eq!(self.say(&claims).await, [TokenStatus::Valid; 2]);
        assert_eq!([&self.here, &self.there].map(|process| process.backend.asked()), asked, "they are hits");
        self.there.line.slow_down();
        change.await.unwrap();
        assert_eq!(self.say(&claims).await, [now, TokenStatus::Valid], "it was not announced there");
        self.there.line.deliver(usize::MAX);
        assert_eq!(self.say(&claims).await, [now; 2]);
    }
}

#[tokio::test]
async fn r115_a_log_out_and_the_end_of_a_session_deny_its_access_tokens_everywhere() {
    let site = Site::new().await;
    let (out, ended, other) = (site.begin().await, site.begin().await, site.begin().await);
    site.sees(&out, site.sessions[0].log_out(rt(&out)), TokenStatus::Revoked).await;
    let end = site.sessions[0].end(ended.session.as_deref().unwrap());
    site.sees(&ended, end, TokenStatus::Revoked).await;
    assert_eq!(site.say(&site.claims(&other).await).await, [TokenStatus::Valid; 2]);
}

#[tokio::test]
async fn r115_all_sessions_of_a_subject_or_of_everybody_end_everywhere() {
    let site = Site::new().await;
    let (tokens, (_, of_key)) = (site.begin().await, site.exchange().await);
    site.sees(&tokens, site.sessions[0].end_all_of("alice"), TokenStatus::Revoked).await;
    site.sees(&of_key, site.sessions[0].end_all(), TokenStatus::Revoked).await;
}

#[tokio::test]
async fn r115_a_token_that_is_revoked_is_refused_everywhere() {
    let site = Site::new().await;
    let request = TokenRequest::new().without_refresh();
    let tokens = site.sessions[0].begin(Grant::of(&alice()).client("web"), &request).await.unwrap();
    let token = tokens.access_token.expose().to_owned();
    let revoke = site.sessions[0].revoke(&token, Some("web"));
    site.sees(&tokens, revoke, TokenStatus::Revoked).await;
}

#[tokio::test]
async fn r116_a_key_that_is_paused_or_revoked_blocks_its_tokens_everywhere() {
    let site = Site::new().await;
    let (id, tokens) = site.exchange().await;
    let registry = &site.here.registry;
    site.sees(&tokens, registry.pause(ops(), &id), TokenStatus::Revoked).await;
    registry.resume(ops(), &id).await.unwrap();
    site.there.line.deliver(usize::MAX);
    site.sees(&tokens, registry.revoke(ops(), &id), TokenStatus::Revoked).await;
    let (id, tokens) = site.exchange().await;
    site.sees(&tokens, registry.delete(ops(), &id), TokenStatus::Revoked).await;
}

#[tokio::test]
async fn r116_a_suspended_account_or_organisation_blocks_all_tokens_everywhere() {
    let site = Site::new().await;
    let (person, (_, of_key)) = (site.begin().await, site.exchange().await);
    let registry = &site.here.registry;
    let [account, owner, other] = [Holder::account("acme"), Holder::organization("org"), Holder::organization("other")];
    let cases = [(&account, &of_key), (&account, &person), (&owner, &of_key), (&owner, &person), (&other, &of_key)];
    for (holder, tokens) in cases {
        site.sees(tokens, registry.suspend(ops(), holder.clone()), TokenStatus::Suspended).await;
        registry.reinstate(ops(), holder.clone()).await.unwrap();
        site.there.line.deliver(usize::MAX);
    }
}

/// The sessions of the account are removed.
#[tokio::test]
async fn r116_an_erased_account_has_no_tokens_anywhere() {
    let site = Site::new().await;
    let (person, (_, of_key)) = (site.begin().await, site.exchange().await);
    for tokens in [&person, &of_key] {
        assert_eq!(site.say(&site.claims(tokens).await).await, [TokenStatus::Valid; 2]);
    }
    site.sees(&person, site.here.registry.erase_account(ops(), "acme"), TokenStatus::Revoked).await;
    assert_eq!(site.say(&site.claims(&of_key).await).await, [TokenStatus::Revoked; 2]);
}

/// A lookup of a token reads what was before a log-out, and answers after it.
#[tokio::test]
async fn r085_an_answer_about_a_token_from_before_a_log_out_is_not_put_back() {
    let site = Site::new().await;
    let tokens = site.begin().await;
    let claims = site.claims(&tokens).await;
    site.here.backend.hold();
    let ask = || {
        let (sessions, claims) = (site.sessions[0].clone(), claims.clone());
        tokio::spawn(async move { sessions.status(&claims).await.unwrap() })
    };
    let before = ask();
    settle().await;
    site.here.backend.call(0).read();
    settle().await;
    site.sessions[0].log_out(rt(&tokens)).await.unwrap();
    let after = ask();
    settle().await;
    site.here.backend.answer();
    site.here.backend.call(0).answer();
    assert_eq!((before.await.unwrap(), after.await.unwrap()), (TokenStatus::Valid, TokenStatus::Revoked));
    assert_eq!(site.say(&claims).await, [TokenStatus::Revoked; 2]);
}

/// A token of a session that another process is about to store is not known to be void.
#[tokio::test]
async fn p13_an_unknown_session_or_key_is_not_cached() {
    let world = World::new();
    let process = world.leased().await;
    let mut facts = TokenFacts::default();
    (facts.subject, facts.session) = ("alice", Some("session_1"));
    for asked in 1..4 {
        assert!(process.keys.look(&facts).await.unwrap().session.is_none());
        assert_eq!(process.backend.asked(), asked);
    }
    (facts.session, facts.key) = (None, Some("key_1"));
    assert!(process.keys.look(&facts).await.unwrap().key.is_none());
    world.key("key_1").await;
    assert!(process.keys.look(&facts).await.unwrap().key.is_some());
}

#[tokio::test]
async fn p30_a_token_that_differs_in_one_fact_gets_an_answer_of_its_own() {
    let world = World::new();
    let process = world.leased().await;
    world.key("key_1").await;
    let organizations = [vec!["org".to_owned()], vec!["org".to_owned(), "other".to_owned()]];
    let mut facts = TokenFacts::default();
    (facts.subject, facts.account, facts.organizations) = ("alice", Some("acme"), &organizations[0]);
    (facts.token, facts.key) = (Some("token_1"), Some("key_1"));
    let mut others = [facts; 7];
    others[1].subject = "bob";
    others[2].account = None;
    others[3].organizations = &organizations[1];
    others[4].token = Some("token_2");
    others[5].key = None;
    others[6].account = Some("token_1");
    for round in 0..2 {
        for (number, facts) in others.iter().enumerate() {
            let asked = process.backend.asked();
            process.keys.look(facts).await.unwrap();
            assert_eq!(process.backend.asked() - asked, usize::from(round == 0), "number {number}");
        }
    }
    process.registry.suspend(ops(), Holder::organization("other")).await.unwrap();
    for (number, facts) in others.iter().enumerate() {
        assert_eq!(process.keys.look(facts).await.unwrap().is_suspended, number == 3);
    }
}

/// Each method that ends something, without the sessions in front of it.
#[tokio::test]
async fn r115_what_ends_tokens_is_announced_with_what_it_ends() {
    let world = World::new();
    let process = world.leased().await;
    let (keys, now) = (&process.keys, world.clock.now());
    keys.end("session_1", now, SessionEnd::Revoked).await.unwrap();
    keys.deny("token_1", now).await.unwrap();
    keys.cut_off(&CutOff::subject("alice"), now).await.unwrap();
    keys.cut_off(&CutOff::Everyone, now).await.unwrap();
    let changed = ["session:session_1", "token:token_1", "subject:alice"].map(|named| {
        let digests =
            tower_auth::KeyScheme::sha256(tower_auth::KeyFormat::opaque(1)).digests(named.as_bytes()).unwrap();
        let bytes = digests.as_slices()[0];
        format!("announce {:02x}{:02x}", bytes[0], bytes[1])
    });
    let log = process.line.log().split_off(3);
    assert_eq!(log[..3], changed);
    assert_eq!(log[3], "announce *");

    process.line.announcing().fail();
    let error = keys.deny("token_2", now).await.unwrap_err().to_string();
    assert!(error.contains("the change was made"), "{error}");
}
