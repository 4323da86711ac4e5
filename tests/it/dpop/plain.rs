//! A bound token that comes as a plain bearer.

use serde_json::{Value, json};
use tower_auth::{BearerLayer, Clock, token::TokenError};

use crate::tokens::{
    self, NOW, hand,
    mint::{claims, key},
    present, stack_of, strict,
};

fn token(cnf: &Value) -> String {
    key("es256").seal(key("es256").header(), claims(NOW).raw("cnf", cnf))
}

fn bindings() -> [(Value, &'static str); 5] {
    [
        (json!({"jkt": "a"}), "DPoP key"),
        (json!({"x5t#S256": "a"}), "client certificate"),
        (json!({"jkt": "a", "x5t#S256": "b"}), "DPoP key"),
        (json!({"jkt": "a", "other": "b"}), "not known"),
        (json!({}), "not known"),
    ]
}

#[tokio::test]
async fn p87_a_bound_token_is_no_bearer_token() {
    for cached in [false, true] {
        let builder = if cached { strict().cache(100) } else { strict() };
        let stack = tokens::stack(builder);
        for (cnf, why) in bindings() {
            for _ in 0..2 {
                let told = present(&stack, &token(&cnf)).await;
                told.assert_invalid();
                let cause = told.cause.as_deref().unwrap();
                assert!(cause.contains("cnf") && cause.contains(why), "{cause}");
            }
        }
        present(&stack, &key("es256").token(NOW)).await.assert_accepted();
    }
}

#[tokio::test]
async fn a_text_proves_nothing_and_who_asks_for_it_gets_the_claims() {
    let (verifier, clock) = (strict().build().unwrap(), Clock::from(&hand()));
    for (cnf, _) in bindings() {
        let refused = verifier.verify(&token(&cnf), &clock).await.unwrap_err();
        assert!(matches!(refused, TokenError::Unproven(_)), "{refused}");
        let refused = verifier.verify_fresh(&token(&cnf), &clock).await.unwrap_err();
        assert!(matches!(refused, TokenError::Unproven(_)), "{refused}");
        let claims = verifier.verify_bound(&token(&cnf), &clock).await.unwrap();
        assert!(claims.confirmation().is_some(), "{cnf}");
    }
}

#[tokio::test]
async fn by_name_bindings_are_ignored() {
    let verifier = strict().accept_bound_tokens_as_bearer().cache(100).build().unwrap();
    let (stack, clock) = (stack_of(BearerLayer::new(verifier.clone())), Clock::from(&hand()));
    for (cnf, _) in bindings() {
        for _ in 0..2 {
            present(&stack, &token(&cnf)).await.assert_accepted();
        }
        let claims = verifier.verify(&token(&cnf), &clock).await.unwrap();
        assert!(claims.confirmation().is_some(), "the binding is still told: {cnf}");
    }
}
