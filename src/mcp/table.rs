//! What each operation needs.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
};

use super::{
    member::{Listed, Member, Reference},
    message::{Message, Messages},
};
use crate::Principal;

/// The method that opens a stream of changes (version 2026-07-28). It names resources in a list.
pub(super) const LISTEN: &str = "subscriptions/listen";

/// The method that completes an argument of a prompt or of a resource template.
pub(super) const COMPLETE: &str = "completion/complete";

const READ: &str = "resources/read";

/// Scopes, by their place in the table.
pub(super) type Need = Vec<usize>;

/// The rows, and what stands in none.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) scopes: Vec<Scope>,
    pub(super) tools: Names,
    pub(super) prompts: Names,
    pub(super) resources: Names,
    pub(super) methods: Names,
    /// What a request without a body needs.
    pub(super) streams: Need,
    /// What an operation needs that stands in no row.
    pub(super) otherwise: Need,
    /// All scopes of the table: what a message needs whose operation is not clear.
    pub(super) everything: Need,
}

#[derive(Debug)]
pub(super) struct Scope {
    pub(super) name: String,
    /// The scope, and those that imply it.
    pub(super) accepted: Vec<String>,
}

/// Names, and what each of them needs.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashMap<String, Need>,
    folded: HashSet<String>,
}

enum Found<'a> {
    Exact(&'a Need),
    /// It differs from a name only in its case or its margins. A lenient server could take the one for the other.
    Alike,
    Nothing,
}

impl Names {
    /// Adds a name. Returns `false` if it is there already.
    pub(super) fn add(&mut self, name: String, need: Need) -> bool {
        self.folded.insert(fold(&name));
        self.exact.insert(name, need).is_none()
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.exact.contains_key(name)
    }

    fn find(&self, name: &str) -> Found<'_> {
        match self.exact.get(name) {
            Some(need) => Found::Exact(need),
            None if self.folded.contains(&fold(name)) => Found::Alike,
            None => Found::Nothing,
        }
    }
}

fn fold(name: &str) -> String {
    name.trim().trim_end_matches('/').to_lowercase()
}

/// What a message asks for by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Tool,
    Prompt,
    Resource,
    Nothing,
}

impl Target {
    pub(super) fn of(method: &str) -> Self {
        match method {
            "tools/call" => Self::Tool,
            "prompts/get" => Self::Prompt,
            READ | "resources/subscribe" | "resources/unsubscribe" => Self::Resource,
            _ => Self::Nothing,
        }
    }

    /// Returns the member of the message that has the name.
    pub(super) fn in_message(self, message: &Message) -> &Member {
        if self == Self::Resource { &message.uri } else { &message.name }
    }
}

impl Table {
    /// Returns what all messages of a body need together.
    pub(super) fn of_messages(&self, messages: &Messages) -> Cow<'_, [usize]> {
        match &*messages.all {
            _ if messages.unclear => Cow::Borrowed(&self.everything),
            [one] => self.of_message(one),
            several => {
                let needs: Vec<_> = several.iter().map(|message| self.of_message(message)).collect();
                union(needs.iter().map(|need| &**need)).into()
            }
        }
    }

    fn of_message(&self, message: &Message) -> Cow<'_, [usize]> {
        let everything: &[usize] = &self.everything;
        let need = match &message.method {
            _ if message.unclear => everything,
            // An answer continues a request that was let through, and names no operation.
            Member::Missing if message.answer => &[],
            Member::Text(method) if !message.answer && method == LISTEN => return self.of_listed(&message.listed),
            Member::Text(method) if !message.answer && method == COMPLETE => self.of_completion(&message.reference),
            Member::Text(method) if !message.answer => {
                let target = Target::of(method);
                match target.in_message(message) {
                    _ if target == Target::Nothing && message.id => self.of_request(method),
                    _ if target == Target::Nothing => self.of_method(method),
                    Member::Text(name) => self.of_operation(method, name),
                    Member::Missing | Member::Other => everything,
                }
            }
            Member::Missing | Member::Other | Member::Text(_) => everything,
        };
        need.into()
    }

    /// Returns what it needs to hear of changes: what reading these resources needs, because the caller learns when they change.
    fn of_listed(&self, listed: &Listed) -> Cow<'_, [usize]> {
        let method = self.of_method(LISTEN);
        match listed {
            Listed::Missing => method.into(),
            Listed::Uris(uris) => {
                let reads = uris.iter().map(|uri| self.of_operation(READ, uri));
                union(reads.chain([method])).into()
            }
            Listed::Other => Cow::Borrowed(&self.everything),
        }
    }

    /// Returns what it needs to complete an argument: what its prompt or resource needs, because the values come from there.
    fn of_completion(&self, reference: &Reference) -> &[usize] {
        let Reference { kind: Member::Text(kind), name, uri, .. } = reference else { return &self.everything };
        match (&**kind, name, uri) {
            ("ref/prompt", Member::Text(name), Member::Missing) => self.of_named(Target::Prompt, COMPLETE, name),
            ("ref/resource", Member::Missing, Member::Text(uri)) => self.of_named(Target::Resource, COMPLETE, uri),
            _ => &self.everything,
        }
    }

    /// Returns what the operation needs that a method does with a tool, a prompt or a resource.
    pub(super) fn of_operation(&self, method: &str, name: &str) -> &[usize] {
        self.of_named(Target::of(method), method, name)
    }

    fn of_named(&self, target: Target, method: &str, name: &str) -> &[usize] {
        let (names, clear) = match target {
            Target::Tool => (&self.tools, true),
            Target::Prompt => (&self.prompts, true),
            Target::Resource => (&self.resources, self.resources.exact.is_empty() || is_plain(name)),
            Target::Nothing => return self.of_method(method),
        };
        match names.find(name) {
            Found::Exact(need) => need,
            Found::Nothing if clear => self.of_method(method),
            Found::Nothing | Found::Alike => &self.everything,
        }
    }

    /// Returns what a method needs, whatever it is used with. It may be that of a notification.
    pub(super) fn of_method(&self, method: &str) -> &[usize] {
        let is_notification = method.starts_with("notifications/");
        self.row(method).unwrap_or(if is_notification { &[] } else { &self.otherwise })
    }

    /// Returns what the method of a request needs. A server may give a request a meaning of its own, although its method is
    /// named like that of a notification.
    fn of_request(&self, method: &str) -> &[usize] {
        self.row(method).unwrap_or(&self.otherwise)
    }

    fn row(&self, method: &str) -> Option<&[usize]> {
        match self.methods.find(method) {
            Found::Exact(need) => Some(need),
            Found::Alike => Some(&self.everything),
            Found::Nothing => None,
        }
    }

    /// Returns whether the caller has all these scopes.
    pub(super) fn grants(&self, who: &Principal, need: &[usize]) -> bool {
        let has = |scope: &Scope| scope.accepted.iter().any(|accepted| who.has_scope(accepted));
        // A place that is not in the table is held by nobody.
        need.iter().all(|place| self.scopes.get(*place).is_some_and(has))
    }

    /// Returns the names of these scopes.
    pub(super) fn names(&self, need: &[usize]) -> Vec<String> {
        need.iter().filter_map(|place| self.scopes.get(*place)).map(|scope| scope.name.clone()).collect()
    }
}

pub(super) fn union<'a>(needs: impl Iterator<Item = &'a [usize]>) -> Need {
    needs.flatten().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether only one resource can be meant, also if the server parses the URI and compares what it has read: no encoding, no
/// dot segments, no query, no empty segments, no user, no port, and no other number of slashes than the scheme has.
fn is_plain(uri: &str) -> bool {
    // Of these schemes, parsers read a host behind any number of slashes (URL standard, section 4.4).
    const WITH_HOST: [&str; 5] = ["http", "https", "ws", "wss", "ftp"];
    let in_uri = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]@!$&'()*+,;=".contains(c);
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let is = |known: &str| scheme.eq_ignore_ascii_case(known);
    let (needs_host, is_file) = (WITH_HOST.into_iter().any(is), is("file"));
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None if needs_host || is_file || rest.starts_with('/') => return false,
        None => ("", rest),
    };
    uri.chars().all(in_uri)
        && (if is_file { host.is_empty() } else { !needs_host || !host.is_empty() })
        && !host.contains(['@', ':'])
        && !path.contains("//")
        && !rest.split('/').any(|part| matches!(part, "." | ".."))
}
