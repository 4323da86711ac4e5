use std::{fmt::Display, time::SystemTime};

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap as _, SerializeStruct as _},
};

use crate::{
    Rejection, TraceId,
    clock::rfc3339,
    envelope::catalogue::{Catalogue, kind_of_status},
};

/// `{"success":false,"error":{…}}`, with everything that is known: written straight into a buffer.
pub(in crate::envelope) struct Detailed<'a> {
    pub(in crate::envelope) rejection: &'a Rejection,
    pub(in crate::envelope) catalogue: &'a Catalogue,
    pub(in crate::envelope) with_system_message: bool,
    pub(in crate::envelope) trace_id: TraceId,
    pub(in crate::envelope) now: SystemTime,
}

impl Serialize for Detailed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut outer = serializer.serialize_struct("Envelope", 2)?;
        outer.serialize_field("success", &false)?;
        outer.serialize_field("error", &Inner(self))?;
        outer.end()
    }
}

struct Inner<'a>(&'a Detailed<'a>);

impl Serialize for Inner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Detailed { rejection, catalogue, with_system_message, trace_id, now } = self.0;
        let words = catalogue.words(rejection.kind());
        // In its own words, a refusal has the type of its status; in the catalogue's, that of its kind.
        let kind = rejection.code().map_or(&*words.kind, |_| kind_of_status(rejection.status()));
        let mut error = serializer.serialize_struct("Error", 8)?;
        error.serialize_field("code", rejection.code().unwrap_or(&words.code))?;
        error.serialize_field("message", rejection.own_message().unwrap_or(&words.message))?;
        if *with_system_message {
            let text = rejection.own_system_message().unwrap_or(&words.system_message);
            error.serialize_field("system_message", text)?;
        }
        error.serialize_field("type", kind)?;
        error.serialize_field("status", &rejection.status().as_u16())?;
        error.serialize_field("details", &Details(rejection))?;
        error.serialize_field("trace_id", &Shown(trace_id))?;
        error.serialize_field("timestamp", &Shown(&rfc3339(*now)))?;
        error.end()
    }
}

struct Details<'a>(&'a Rejection);

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.details() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// What has a text of its own.
struct Shown<'a, T>(&'a T);

impl<T: Display> Serialize for Shown<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}
