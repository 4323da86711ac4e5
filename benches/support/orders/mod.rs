//! Bodies as clients send them, and the types into which they are read.

mod random;

use std::{cell::Cell, fmt::Debug, marker::PhantomData, rc::Rc};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::harness::{Bench, Row};

macro_rules! documents {
    ($(#[$attribute:meta])* $module:ident) => {
        pub(crate) mod $module {
            use super::*;

            #[derive(Debug, Deserialize, PartialEq, Serialize)]
            $(#[$attribute])*
            pub(crate) struct Order {
                pub(crate) id: String,
                pub(crate) created_at: String,
                pub(crate) status: Status,
                pub(crate) paid: bool,
                pub(crate) currency: String,
                pub(crate) total: f64,
                pub(crate) customer: Customer,
                pub(crate) lines: Vec<Line>,
                pub(crate) coupon: Option<String>,
                pub(crate) note: Option<String>,
            }

            #[derive(Debug, Deserialize, PartialEq, Serialize)]
            #[serde(rename_all = "snake_case")]
            pub(crate) enum Status {
                Draft,
                AwaitingPayment,
                Shipped,
            }

            #[derive(Debug, Deserialize, PartialEq, Serialize)]
            $(#[$attribute])*
            pub(crate) struct Customer {
                pub(crate) id: u64,
                pub(crate) name: String,
                pub(crate) email: String,
                pub(crate) vip: bool,
                pub(crate) address: Address,
            }

            #[derive(Debug, Deserialize, PartialEq, Serialize)]
            $(#[$attribute])*
            pub(crate) struct Address {
                pub(crate) street: String,
                pub(crate) city: String,
                pub(crate) postal_code: String,
                pub(crate) country: String,
                pub(crate) latitude: f64,
                pub(crate) longitude: f64,
            }

            #[derive(Debug, Deserialize, PartialEq, Serialize)]
            $(#[$attribute])*
            pub(crate) struct Line {
                pub(crate) sku: String,
                pub(crate) title: String,
                pub(crate) quantity: u32,
                pub(crate) unit_price: f64,
                #[serde(skip_serializing_if = "Option::is_none")]
                pub(crate) discount: Option<f64>,
                pub(crate) gift: bool,
                pub(crate) tags: Vec<String>,
            }

            #[derive(Debug, Deserialize, PartialEq, Serialize)]
            $(#[$attribute])*
            pub(crate) struct Note {
                pub(crate) id: u64,
                pub(crate) text: String,
                pub(crate) pinned: bool,
            }
        }
    };
}

documents!(open);
documents!(
    #[serde(deny_unknown_fields)]
    denying
);

use self::{
    open::{Note, Order},
    random::{Dice, note, order, shuffle},
};

/// A type into which bodies are read.
pub(crate) trait Document: Debug + DeserializeOwned + PartialEq + Send + Serialize + 'static {
    /// The same with `deny_unknown_fields`.
    type Denying: DeserializeOwned + 'static;
    /// The names of its fields, for the check written by hand.
    const NAMES: Names;
}

/// The fields that a value may have.
pub(crate) enum Names {
    Plain,
    Object(&'static [(&'static str, Self)]),
    Array(&'static Self),
}

impl Names {
    /// Returns whether the value has no other fields.
    pub(crate) fn cover(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Object(names), Value::Object(members)) => members.iter().all(|(name, value)| {
                let known = names.iter().find(|(known, _)| known == name);
                known.is_some_and(|(_, inside)| inside.cover(value))
            }),
            (Self::Array(element), Value::Array(elements)) => elements.iter().all(|value| element.cover(value)),
            (Self::Plain, value) => !value.is_object(),
            (Self::Object(_) | Self::Array(_), _) => false,
        }
    }
}

impl Document for Order {
    type Denying = denying::Order;
    const NAMES: Names = {
        use Names::{Array, Object, Plain};
        const ADDRESS: Names = Object(&[
            ("street", Plain),
            ("city", Plain),
            ("postal_code", Plain),
            ("country", Plain),
            ("latitude", Plain),
            ("longitude", Plain),
        ]);
        const CUSTOMER: Names =
            Object(&[("id", Plain), ("name", Plain), ("email", Plain), ("vip", Plain), ("address", ADDRESS)]);
        const LINE: Names = Object(&[
            ("sku", Plain),
            ("title", Plain),
            ("quantity", Plain),
            ("unit_price", Plain),
            ("discount", Plain),
            ("gift", Plain),
            ("tags", Array(&Plain)),
        ]);
        Object(&[
            ("id", Plain),
            ("created_at", Plain),
            ("status", Plain),
            ("paid", Plain),
            ("currency", Plain),
            ("total", Plain),
            ("customer", CUSTOMER),
            ("lines", Array(&LINE)),
            ("coupon", Plain),
            ("note", Plain),
        ])
    };
}

impl Document for Note {
    type Denying = denying::Note;
    const NAMES: Names = Names::Object(&[("id", Names::Plain), ("text", Names::Plain), ("pinned", Names::Plain)]);
}

/// All kinds of bodies.
pub(crate) struct Kinds {
    /// About 1 KB each.
    pub(crate) small: Bodies<Order>,
    /// About 16 KB each.
    pub(crate) large: Bodies<Order>,
    /// About 1 KB each, with the names in random order.
    pub(crate) shuffled: Bodies<Order>,
    /// About 1 KB each, most of it one string.
    pub(crate) text: Bodies<Note>,
}

impl Kinds {
    pub(crate) fn new() -> Self {
        Self {
            small: Bodies::written("1 KB", |seed| order(&mut Dice(seed), 5)),
            large: Bodies::written("16 KB", |seed| order(&mut Dice(seed), 132)),
            shuffled: Bodies::new("1 KB shuffled", |seed| {
                let mut order = serde_json::to_value(order(&mut Dice(seed), 5)).expect("the type has no map");
                shuffle(&mut order, &mut Dice(seed));
                order.to_string()
            }),
            text: Bodies::written("1 KB text", |seed| note(&mut Dice(seed))),
        }
    }

    /// Prints the number of bodies of each kind, and their average length.
    pub(crate) fn print(&self) {
        self.small.print();
        self.large.print();
        self.shuffled.print();
        self.text.print();
    }
}

/// Several bodies of one kind, used in turn: branch prediction would learn a single one.
pub(crate) struct Bodies<T> {
    name: &'static str,
    texts: Rc<[Bytes]>,
    next: Cell<usize>,
    documented: PhantomData<T>,
}

const BODIES: u64 = 16;

impl<T> Clone for Bodies<T> {
    fn clone(&self) -> Self {
        Self { name: self.name, texts: Rc::clone(&self.texts), next: self.next.clone(), documented: PhantomData }
    }
}

impl<T: Document> Bodies<T> {
    fn written(name: &'static str, document: impl Fn(u64) -> T) -> Self {
        Self::new(name, |seed| serde_json::to_string(&document(seed)).expect("the type has no map"))
    }

    fn new(name: &'static str, text: impl Fn(u64) -> String) -> Self {
        let texts = (1..=BODIES).map(|seed| Bytes::from(text(seed))).collect();
        Self { name, texts, next: Cell::new(0), documented: PhantomData }
    }

    /// The same bodies, each with an unknown name: in the line in its middle, or at the end if it has no lines.
    pub(crate) fn with_unknown_name(&self) -> Self {
        let with_it = |text: &Bytes| {
            let text = str::from_utf8(text).expect("the text is UTF-8");
            let mut lines = text.match_indices("\"quantity\"").map(|(place, _)| text.split_at(place));
            match lines.find(|(before, after)| before.len() > after.len()) {
                Some((before, after)) => format!("{before}\"colour\":\"red\",{after}"),
                None => format!("{},\"colour\":\"red\"}}", &text[..text.len() - 1]),
            }
        };
        Self { texts: self.texts.iter().map(|text| Bytes::from(with_it(text))).collect(), ..self.clone() }
    }

    /// Returns the name of a row.
    pub(crate) fn row(&self, what: &str) -> String {
        format!("{}: {what}", self.name)
    }

    /// Returns the next body, in turn.
    #[inline]
    pub(crate) fn next(&self) -> &Bytes {
        let place = self.next.get();
        self.next.set((place + 1) % self.texts.len());
        &self.texts[place]
    }

    /// Adds a reader that accepts all bodies.
    pub(crate) fn accepted<R, E: Debug>(
        &self,
        bench: &mut Bench,
        what: &str,
        mut read: impl FnMut(&[u8]) -> Result<R, E> + 'static,
    ) -> Row {
        for text in &*self.texts {
            drop(read(text).expect("the body is as documented"));
        }
        self.work(bench, what, read)
    }

    /// Adds a reader that refuses all bodies.
    pub(crate) fn refused<R, E>(
        &self,
        bench: &mut Bench,
        what: &str,
        mut read: impl FnMut(&[u8]) -> Result<R, E> + 'static,
    ) -> Row {
        assert!(self.texts.iter().all(|text| read(text).is_err()), "{what} accepts an unknown name");
        self.work(bench, what, read)
    }

    fn work<R>(&self, bench: &mut Bench, what: &str, mut read: impl FnMut(&[u8]) -> R + 'static) -> Row {
        let bodies = self.clone();
        bench.work(&self.row(what), move || read(bodies.next()))
    }

    /// Adds the floor of the readers that accept all bodies. The following rows are compared with it.
    pub(crate) fn floor(&self, bench: &mut Bench) -> Row {
        bench.without_floor();
        let floor = self.accepted(bench, "floor, serde_json::from_slice", |text| serde_json::from_slice::<T>(text));
        bench.against(floor);
        floor
    }

    /// Adds the floor of the readers that refuse all bodies. The following rows are compared with it.
    pub(crate) fn refused_floor(&self, bench: &mut Bench) {
        bench.without_floor();
        let what = "unknown name: serde_json, deny_unknown_fields";
        // `deny_unknown_fields` stops at the name and does not read what follows.
        let floor = self.refused(bench, what, |text| serde_json::from_slice::<T::Denying>(text));
        bench.against(floor);
    }

    /// Asserts that a reader finds the same value as `serde_json`.
    pub(crate) fn agree<E: Debug>(&self, read: impl Fn(&[u8]) -> Result<T, E>) {
        for text in &*self.texts {
            let expected: T = serde_json::from_slice(text).expect("the body is as documented");
            assert_eq!(read(text).expect("the body is as documented"), expected);
        }
    }

    fn print(&self) {
        let bytes: usize = self.texts.iter().map(Bytes::len).sum();
        println!("{}: {} bodies of {} bytes on average", self.name, self.texts.len(), bytes / self.texts.len());
    }
}
