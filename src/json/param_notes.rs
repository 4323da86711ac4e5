//! Collects the errors in parameters while they are read.

use std::borrow::Cow;

use super::{failure::Failure, loose::Loose, pointer::shown, state::MOST, violation::FieldViolation};

/// A name and a value, decoded.
pub(crate) type Pair<'de> = (Cow<'de, str>, Cow<'de, str>);

/// Where the parameters are in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The route defines the names, so an error in a name is a fault of the service.
    Path,
    /// The client sends the names.
    Query,
}

/// Why parameters cannot be read into a type.
#[derive(Debug)]
pub(crate) enum ParamsError {
    /// The client has to change these.
    Fields(Vec<FieldViolation>),
    /// The type or the route is at fault, independent of the request.
    Service(String),
}

const TWICE: &str = "the parameter is given more than once";

/// The errors so far. They are kept, even if a type turns an error into a default.
pub(super) struct Notes {
    pub(super) place: Place,
    unknown: Vec<FieldViolation>,
    more: bool,
    /// Pointers of the parameters that are given more than once and read as a single value.
    twice: Vec<String>,
    /// Pointers of the refused values. The place of a failure is an index into this list.
    stops: Vec<String>,
    /// The pointer of the single parameter that is the whole value.
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

    /// Notes that the type or the route is at fault.
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

    /// Marks this parameter as the whole value. Errors of the value get its pointer.
    pub(super) fn is_only(&mut self, pointer: String) {
        self.only = Some(pointer);
    }

    /// Sets the place, unless an inner value has set it.
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
        // At most this many get a suggestion: a client with more of them has not made a typing error.
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

/// Returns the pointer of a parameter.
pub(crate) fn pointer(name: &str) -> String {
    format!("/{}", shown(name))
}
