//! Tokens of load balancers: required header parameters, and padding.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use serde_json::json;
use tower_auth::{
    BearerLayer, Clock,
    token::{TokenError, TokenVerifierBuilder},
};

use super::{
    NOW, hand, judged,
    mint::{Object, b64, claims, key},
    present, stack_of, strict,
};

const OURS: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/api/50dc6c495c0c9188";
const THEIRS: &str = "arn:aws:elasticloadbalancing:eu-central-1:666666666666:loadbalancer/app/api/50dc6c495c0c9188";

fn header() -> Object {
    key("es256").header().text("signer", OURS).text("client", "my-client").raw("exp", NOW + 120)
}

fn signed(builder: TokenVerifierBuilder) -> TokenVerifierBuilder {
    builder.require_header("signer", ["arn:other", OURS])
}

#[tokio::test]
async fn a_header_parameter_has_one_of_the_required_values() {
    let token = |header: Object| key("es256").seal(header, claims(NOW));
    assert!(judged(signed(strict()), &token(header())).await.is_ok());
    assert!(judged(strict(), &token(header())).await.is_ok(), "by default it has no effect");
    for bad in [
        header().text("signer", THEIRS),
        header().text("signer", &OURS.to_uppercase()),
        header().text("signer", &format!("{OURS} ")),
        header().text("signer", ""),
        header().without("signer"),
        header().without("signer").text("Signer", OURS),
        header().raw("signer", json!([OURS])),
        header().raw("signer", json!({ "arn": OURS })),
        header().raw("signer", json!(null)),
        header().raw("signer", 5),
    ] {
        let refused = judged(signed(strict()), &token(bad.clone())).await;
        assert!(matches!(&refused, Err(TokenError::WrongHeader(name)) if &**name == "signer"), "{bad:?}: {refused:?}");
    }
    let twice = token(header().first("signer", json!(THEIRS)));
    assert!(matches!(judged(signed(strict()), &twice).await, Err(TokenError::Malformed(_))));
    // The claims cannot say it.
    let claimed = key("es256").seal(header().without("signer"), claims(NOW).text("signer", OURS));
    assert!(matches!(judged(signed(strict()), &claimed).await, Err(TokenError::WrongHeader(_))));
    // Each of several parameters is required.
    let both = || signed(strict()).require_header("client", ["my-client"]);
    assert!(judged(both(), &token(header())).await.is_ok());
    let refused = judged(both(), &token(header().text("client", "another"))).await;
    assert!(matches!(&refused, Err(TokenError::WrongHeader(name)) if &**name == "client"), "{refused:?}");
    let (tokens, other) = (signed(strict()).build().unwrap(), token(header().text("signer", THEIRS)));
    let why = tokens.explain(&other, &TokenError::WrongHeader("signer".into()));
    assert!(why.contains("666666666666") && why.contains("123456789012"), "{why}");
}

/// The header of the first good token is remembered, and its verdict is not that of another.
#[tokio::test]
async fn a_remembered_header_does_not_vouch_for_another() {
    let (tokens, clock) = (signed(strict()).cache(16).build().unwrap(), Clock::from(&hand()));
    let by = |signer: &str| key("es256").seal(header().text("signer", signer), claims(NOW));
    for _ in 0..2 {
        assert!(tokens.verify(&by(OURS), &clock).await.is_ok());
        assert!(matches!(tokens.verify(&by(THEIRS), &clock).await, Err(TokenError::WrongHeader(_))));
    }
}

fn padded(header: &Object, claims: &Object) -> [String; 3] {
    let (header, claims) = (URL_SAFE.encode(header), URL_SAFE.encode(claims));
    let signature = URL_SAFE.encode(key("es256").sign(format!("{header}.{claims}").as_bytes()));
    [header, claims, signature]
}

/// Claims whose length in base64 leaves room for this much padding.
fn with_padding(signs: usize) -> Object {
    let all = ["", "x", "xx"].map(|more| claims(NOW).text("more", more));
    all.into_iter().find(|claims| URL_SAFE.encode(claims).matches('=').count() == signs).unwrap()
}

#[tokio::test]
async fn padding_is_read_where_the_verifier_says_so_and_exactly() {
    for signs in [0, 1, 2] {
        let parts = padded(&header(), &with_padding(signs));
        assert!(parts[2].ends_with("=="));
        assert!(judged(strict().padded_base64(), &parts.join(".")).await.is_ok(), "{signs}");
        let refused = judged(strict(), &parts.join(".")).await;
        assert!(matches!(refused, Err(TokenError::Malformed(_))), "{signs}: {refused:?}");
    }
    // The bytes are the same, and the text is not the one that the issuer writes.
    let [header, claims, signature] = padded(&header(), &with_padding(2));
    let bare = signature.trim_end_matches('=');
    // The two low bits of the last letter are unused.
    let mut odd = bare.as_bytes().to_vec();
    let last = odd.last_mut().unwrap();
    *last = if last.is_ascii_digit() && *last < b'9' || last.is_ascii_lowercase() && *last < b'z' {
        *last + 1
    } else {
        b'B'
    };
    let odd = format!("{}==", String::from_utf8(odd).unwrap());
    for bad in [
        bare,
        &format!("{bare}="),
        &format!("{signature}="),
        &format!("{bare}%3D%3D"),
        &format!("=={bare}"),
        &odd,
        "=",
        "==",
    ] {
        let token = format!("{header}.{claims}.{bad}");
        let refused = judged(strict().padded_base64(), &token).await;
        assert!(matches!(refused, Err(TokenError::Malformed(_))), "{bad}: {refused:?}");
    }
    // A token as RFC 7515 writes it has another signature: its own.
    let unpadded = key("es256").seal(key("es256").header(), with_padding(2));
    assert!(matches!(judged(strict().padded_base64(), &unpadded).await, Err(TokenError::Malformed(_))));
    // Standard base64 is another alphabet.
    let claims = with_padding(1).text("more", "???>>>~~~");
    let [header, claims, signature] = padded(&self::header(), &claims);
    let token = [header, claims.replace('-', "+").replace('_', "/"), signature].join(".");
    if token.contains(['+', '/']) {
        assert!(matches!(judged(strict().padded_base64(), &token).await, Err(TokenError::Malformed(_))));
    } else {
        panic!("the claims have no letter in which the alphabets differ: {token}");
    }
    assert_ne!(b64(b"a"), URL_SAFE.encode(b"a"));
}

#[tokio::test]
async fn the_issuer_of_a_padded_token_chooses_its_verifier() {
    let balancer = signed(strict()).padded_base64().build().unwrap();
    let other = tower_auth::TokenVerifier::keys(
        "https://other.test/",
        [tower_auth::token::VerifyingKey::from_jwk(&key("es384").jwk().to_string()).unwrap()],
    );
    let stack = stack_of(BearerLayer::new(other.audience("freddy").build().unwrap()).or(balancer));
    for signs in [0, 1, 2] {
        present(&stack, &padded(&header(), &with_padding(signs)).join(".")).await.assert_accepted();
    }
    present(&stack, &padded(&header().text("signer", THEIRS), &with_padding(1)).join(".")).await.assert_invalid();
}

#[test]
fn a_parameter_that_cannot_be_required_is_said_when_it_is_built() {
    for (builder, said) in [
        (strict().require_header("", ["x"]), "no value"),
        (strict().require_header::<&str>("signer", []), "no value"),
        (strict().require_header("signer", [""]), "no value"),
        (strict().require_header("signer", [OURS, ""]), "no value"),
        (strict().require_header("alg", ["RS256"]), "another way"),
        (strict().require_header("typ", ["JWT"]), "another way"),
        (signed(strict()).require_header("signer", [THEIRS]), "second time"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}
