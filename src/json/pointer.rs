//! Places in a text as JSON Pointers (RFC 6901).

use super::{
    cursor::Cursor,
    cursor::Fault,
    failure::{escaped, visible},
    limits::JsonLimits,
};

/// A place: its pointer, and the member name if the place is a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pointer: String,
    pub(super) name: String,
}

/// Longer names are cut.
const LONGEST_NAME: usize = 64;
/// Longer pointers are cut.
const LONGEST: usize = 512;

/// Returns the places of these byte offsets. They are ascending, and each is the start of a value or a name. The text
/// is JSON.
pub(super) fn places(text: &str, limits: JsonLimits, wanted: &[usize]) -> Vec<Place> {
    let mut walk = Walk { cursor: Cursor::new(text, limits), wanted, found: Vec::new(), path: String::new() };
    // In a text that is not JSON, only the places before the error are found.
    let _ = walk.value();
    let mut found = walk.found;
    found.resize(wanted.len(), Place::default());
    found
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    wanted: &'a [usize],
    found: Vec<Place>,
    path: String,
}

impl Walk<'_> {
    /// Notes this place if it is wanted.
    fn look(&mut self, at: usize, name: &str) {
        while self.wanted.get(self.found.len()).is_some_and(|wanted| *wanted <= at) {
            let mut pointer: String = self.path.chars().take(LONGEST).collect();
            if pointer.len() < self.path.len() {
                pointer.push('…');
            }
            self.found.push(Place { pointer, name: name.to_owned() });
        }
    }

    fn value(&mut self) -> Result<(), Fault> {
        let first = self.cursor.value()?;
        self.look(self.cursor.at, "");
        if self.found.len() == self.wanted.len() {
            return Ok(());
        }
        let close = match first {
            b'[' => b']',
            b'{' => b'}',
            _ => return self.cursor.skip(),
        };
        self.cursor.enter()?;
        let mut index = 0;
        while self.found.len() < self.wanted.len() && self.cursor.another(index == 0, close)? {
            let length = self.path.len();
            self.path.push('/');
            if close == b'}' {
                let (at, name) = self.cursor.name()?;
                self.path.push_str(&shown(&name));
                self.look(at, &name);
            } else {
                self.path.push_str(&index.to_string());
            }
            self.value()?;
            self.path.truncate(length);
            index += 1;
        }
        if self.found.len() < self.wanted.len() {
            self.cursor.leave();
        }
        Ok(())
    }
}

/// Writes a name as a part of a pointer: cut if too long, invisible characters escaped.
pub(super) fn shown(name: &str) -> String {
    let mut shown = String::new();
    for character in name.chars() {
        let piece: String = visible(character).collect();
        let piece = escaped(&piece);
        if shown.chars().count() + piece.chars().count() > LONGEST_NAME {
            shown.push('…');
            break;
        }
        shown.push_str(&piece);
    }
    shown
}
