//! Users and their passwords, hashed with argon2id.

use std::{collections::HashMap, sync::Arc};

use argon2::{
    Argon2,
    password_hash::{
        PasswordHasher as _, PasswordVerifier as _,
        phc::{PasswordHash, Salt},
        try_generate_salt,
    },
};
use tokio::{sync::Semaphore, task::spawn_blocking};
use tower_auth::{BoxError, Principal, Rejection};

use crate::common::demo::{ACCOUNT, ORGANIZATION};

/// How many password checks run at once. Each takes 19 MiB and about ten milliseconds of a core.
const AT_ONCE: usize = 2;
/// How many sign-ins may run or wait. Any more are refused with 503 and `Retry-After`.
const WAITING: usize = 64;

pub(crate) struct Users {
    by_email: HashMap<String, User>,
    /// The hash that is checked for an unknown user, so that the response takes as long as for a known one.
    nobody: String,
    checks: Arc<Semaphore>,
    places: Semaphore,
}

#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    password: String,
}

impl User {
    /// Returns who the user is, and what it may do.
    pub(crate) fn principal(&self) -> Principal {
        let user = Principal::builder(&self.id).account(ACCOUNT).organizations([ORGANIZATION]);
        user.plan("standard").scopes(["read", "write"]).build()
    }
}

impl Users {
    pub(crate) fn new() -> Result<Self, BoxError> {
        let nobody = hash(&random()?)?;
        Ok(Self {
            by_email: HashMap::new(),
            nobody,
            checks: Arc::new(Semaphore::new(AT_ONCE)),
            places: Semaphore::new(WAITING),
        })
    }

    /// Creates a user and returns it with the password, of which only the hash is kept.
    pub(crate) fn create(&mut self, email: &str) -> Result<(User, String), BoxError> {
        let password = random()?;
        let user = User {
            id: format!("user_{}", self.by_email.len() + 1),
            email: email.to_owned(),
            password: hash(&password)?,
        };
        self.by_email.insert(email.to_owned(), user.clone());
        Ok((user, password))
    }

    /// Returns the user if email and password are right. The error does not say which one is wrong.
    pub(crate) async fn verify(&self, email: String, password: String) -> Result<User, Rejection> {
        let _place = self.places.try_acquire().map_err(|_| Rejection::unavailable("too many sign-ins at once"))?;
        let user = self.by_email.get(&email);
        let expected = user.map_or(&self.nobody, |user| &user.password).clone();
        let turn = Arc::clone(&self.checks).acquire_owned().await.map_err(Rejection::internal)?;
        let check = move || {
            // The permit is held until the check ends, even if the client disconnects before.
            let _turn = turn;
            verify(&expected, &password)
        };
        let matches = spawn_blocking(check).await.map_err(Rejection::internal)?;
        user.filter(|_| matches).cloned().ok_or_else(Rejection::invalid_credentials)
    }
}

fn hash(password: &str) -> Result<String, BoxError> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

fn verify(expected: &str, password: &str) -> bool {
    PasswordHash::new(expected)
        .is_ok_and(|expected| Argon2::default().verify_password(password.as_bytes(), &expected).is_ok())
}

/// Returns 128 random bits from the operating system.
fn random() -> Result<String, BoxError> {
    Ok(Salt::new(&try_generate_salt()?)?.to_string())
}
