//! What is wrong with parameters, as far as they are read.

use std::borrow::Cow;

use super::{failure::Failure, loose::Loose, pointer::shown, state::MOST, violation::FieldViolation};

/// A name and a value, decoded.
pub(crate) type Pair<'de> = (Cow<'de, str>, Cow<'de, str>);

/// Where parameters stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The names are those of the route: what is wrong with them is the service's fault.
    Path,
    /// The names are the client's.
    Query,
}

/// Why parameters are not the value that they should be.
#[derive(Debug)]
pub(crate) enum ParamsError {
    /// What the client has to change.
    Fields(Vec<FieldViolation>),
    /// The type or the route is at fault, whatever the client sends.
    Service(String),
}

const TWICE: &str = "the parameter is given more than once";

/// What is wrong so far. It stays so, even if a type turns an error into a default.
pub(super) struct Notes {
    pub(super) place: Place,
    unknown: Vec<FieldViolation>,
    more: bool,
    /// Pointers of what is given more than once and read once.
    twice: Vec<String>,
    /// Pointers of the values that were refused; a failure names one by its number.
    stops: Vec<String>,
    /// The pointer of the one parameter that is the whole value.
    only: Option<String>,
    fault: Option<String>,
}

impl Notes {
    pub(super) const fn new(place: Place) -> Self {
        Self { place, unknown: Vec::new(), more: false, twice: Vec::new(), stops: Vec::new(), only: None, fault: None }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.unknown.is_empty() && self.twice.is_empty() && self.fault.is_none()
    }

    /// The type or the route is at fault.
    #[cold]
    pub(super) fn fault(&mut self, words: impl Into<String>) -> Failure {
        let words = words.into();
        let failure = Failure::shape(&words);
        self.fault.get_or_insert(words);
        failure
    }

    #[cold]
    pub(super) fn loose(&mut self, why: Loose) -> Failure {
        self.fault(format!("the type cannot be read strictly: it has {}", why.words().0))
    }

    /// This parameter is the whole value: what is wrong with the value is told of it.
    pub(super) fn is_only(&mut self, pointer: String) {
        self.only = Some(pointer);
    }

    /// The innermost value is the one that is told.
    #[cold]
    pub(super) fn located(&mut self, failure: Failure, pointer: &str) -> Failure {
        if failure.place().is_some() {
            return failure;
        }
        self.stops.push(pointer.to_owned());
        failure.located(self.stops.len() - 1)
    }

    #[cold]
    pub(super) fn twice(&mut self, pointer: &str) -> Failure {
        if self.place == Place::Path {
            return self.fault(format!("the route has two parameters {pointer:?}: rename one of them"));
        }
        self.twice.push(pointer.to_owned());
        Failure::shape(TWICE)
    }

    #[cold]
    pub(super) fn unknown(&mut self, name: &str, nearest: impl FnOnce() -> Option<&'static str>) {
        // Whoever has more unknown parameters than this has no typing error.
        const MOST_SUGGESTED: usize = 8;
        if self.unknown.len() >= MOST {
            self.more = true;
            return;
        }
        let violation = FieldViolation::new(pointer(name), "unknown field");
        let suggestion = if self.unknown.len() < MOST_SUGGESTED { nearest() } else { None };
        self.unknown.push(match suggestion {
            Some(name) => violation.suggest(name),
            None => violation,
        });
    }

    #[cold]
    pub(super) fn explain(self, failure: Option<Failure>) -> ParamsError {
        if let Some(fault) = self.fault {
            return ParamsError::Service(fault);
        }
        let stop = failure.as_ref().and_then(Failure::place).and_then(|stop| self.stops.get(stop).cloned());
        let stop = stop.or(self.only);
        if let Some(missing) = failure.as_ref().and_then(Failure::missing).filter(|_| self.place == Place::Path) {
            return ParamsError::Service(format!("the route has no parameter {missing:?}"));
        }
        let mut fields = self.unknown;
        match failure {
            Some(failure) => fields.push(failure.violation(stop.unwrap_or_default())),
            None => {
                fields.extend(self.twice.into_iter().take(MOST).map(|pointer| FieldViolation::new(pointer, TWICE)));
            }
        }
        if self.more {
            fields.push(FieldViolation::new("", "more fields are unknown than are listed here"));
        }
        ParamsError::Fields(fields)
    }
}

/// The pointer of a parameter.
pub(crate) fn pointer(name: &str) -> String {
    format!("/{}", shown(name))
}
