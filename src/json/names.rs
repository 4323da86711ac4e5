use std::{borrow::Cow, collections::HashSet};

/// The names of an object so far.
///
/// A few names are compared one by one. Many names are hashed with random keys of this process, so that a client cannot
/// choose names that collide.
pub(super) enum Names<'de> {
    Few(Vec<Cow<'de, str>>),
    Many(HashSet<Cow<'de, str>>),
}

const FEW: usize = 16;

impl<'de> Names<'de> {
    pub(super) const fn new() -> Self {
        Self::Few(Vec::new())
    }

    /// Adds a name. Returns whether it is new.
    #[inline]
    pub(super) fn insert(&mut self, name: Cow<'de, str>) -> bool {
        match self {
            Self::Few(names) if names.contains(&name) => false,
            Self::Few(names) if names.len() < FEW => {
                if names.is_empty() {
                    names.reserve_exact(8);
                }
                names.push(name);
                true
            }
            Self::Few(names) => {
                let mut many: HashSet<_> = names.drain(..).collect();
                let new = many.insert(name);
                *self = Self::Many(many);
                new
            }
            Self::Many(names) => names.insert(name),
        }
    }
}
