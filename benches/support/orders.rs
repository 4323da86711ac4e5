//! Bodies as clients send them, and the types into which they are read.

use std::{cell::Cell, fmt::Debug, iter, marker::PhantomData, rc::Rc};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

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

use open::{Address, Customer, Line, Note, Order, Status};

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

impl Bodies<Order> {
    /// About 1 KB each.
    pub(crate) fn small() -> Self {
        Self::written("1 KB", |seed| order(&mut Dice(seed), 5))
    }

    /// About 16 KB each.
    pub(crate) fn large() -> Self {
        Self::written("16 KB", |seed| order(&mut Dice(seed), 132))
    }

    /// About 1 KB each, with the names in random order.
    pub(crate) fn shuffled() -> Self {
        Self::new("1 KB shuffled", |seed| {
            let mut order = value(&order(&mut Dice(seed), 5));
            shuffle(&mut order, &mut Dice(seed));
            order.to_string()
        })
    }
}

impl Bodies<Note> {
    /// About 1 KB each, most of it one string.
    pub(crate) fn text() -> Self {
        Self::written("1 KB text", |seed| note(&mut Dice(seed)))
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

    /// Asserts that a reader finds the same value as `serde_json`.
    pub(crate) fn agree<E: Debug>(&self, read: impl Fn(&[u8]) -> Result<T, E>) {
        for text in &*self.texts {
            let expected: T = serde_json::from_slice(text).expect("the body is as documented");
            assert_eq!(read(text).expect("the body is as documented"), expected);
        }
    }

    /// Prints the number of bodies and their average length.
    pub(crate) fn print(&self) {
        let bytes: usize = self.texts.iter().map(Bytes::len).sum();
        println!("{}: {} bodies of {} bytes on average", self.name, self.texts.len(), bytes / self.texts.len());
    }
}

/// Pseudo-random numbers, the same in every run (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let count = u64::try_from(words.len()).expect("the number is small");
        words[usize::try_from(self.below(count)).expect("the number is small")]
    }

    /// Returns a number below `limit` with `places` decimal places.
    fn decimal(&mut self, limit: u32, places: u32) -> f64 {
        let steps = 10_u32.pow(places);
        let whole = u32::try_from(self.below(u64::from(limit) * u64::from(steps))).expect("the number is small");
        f64::from(whole) / f64::from(steps)
    }

    fn words(&mut self, count: u64) -> String {
        let words: Vec<_> = (0..count).map(|_| self.one_of(WORDS)).collect();
        words.join(" ")
    }
}

const WORDS: &[&str] = &[
    "walnut",
    "desk",
    "a",
    "lamp",
    "of",
    "brushed",
    "steel",
    "with",
    "linen",
    "shade",
    "for",
    "the",
    "café",
    "in",
    "Zürich",
    "small",
    "and",
    "waterproof",
    "notebook",
    "ruled",
    "160",
    "pages",
    "refill",
    "blue",
    "ink",
    "pen",
];

fn order(dice: &mut Dice, lines: u64) -> Order {
    Order {
        id: format!("ord_{:016x}", dice.below(u64::MAX)),
        created_at: format!("2025-{:02}-{:02}T09:{:02}:00Z", 1 + dice.below(12), 1 + dice.below(28), dice.below(60)),
        status: match dice.below(3) {
            0 => Status::Draft,
            1 => Status::AwaitingPayment,
            _ => Status::Shipped,
        },
        paid: dice.one_in(2),
        currency: dice.one_of(&["EUR", "CHF", "USD"]).to_owned(),
        total: dice.decimal(2_000, 2),
        customer: customer(dice),
        lines: iter::repeat_with(|| line(dice)).take(usize::try_from(lines).expect("the number is small")).collect(),
        coupon: dice.one_in(3).then(|| "SPRING-25".to_owned()),
        note: dice.one_in(2).then(|| format!("Ring \"twice\",\nplease: {}.", dice.words(4))),
    }
}

fn customer(dice: &mut Dice) -> Customer {
    let name = dice.one_of(&["Ada Lovelace", "Zoë Çelik", "Li Wei", "Maximilian Oberhuber"]);
    Customer {
        id: dice.below(10_000_000),
        name: name.to_owned(),
        email: format!("{}@example.com", dice.words(2).replace(' ', ".")),
        vip: dice.one_in(5),
        address: Address {
            street: format!("{} {}", dice.words(2), 1 + dice.below(200)),
            city: dice.one_of(&["Zürich", "Rotterdam", "Ulm", "San Francisco"]).to_owned(),
            postal_code: dice.below(100_000).to_string(),
            country: dice.one_of(&["CH", "NL", "DE", "US"]).to_owned(),
            latitude: dice.decimal(90, 6),
            longitude: -dice.decimal(180, 6),
        },
    }
}

fn line(dice: &mut Dice) -> Line {
    let (words, tags) = (1 + dice.below(5), usize::try_from(dice.below(4)).expect("the number is small"));
    Line {
        sku: format!("SKU-{:05}", dice.below(100_000)),
        title: dice.words(words),
        quantity: u32::try_from(1 + dice.below(12)).expect("the number is small"),
        unit_price: dice.decimal(300, 2),
        discount: dice.one_in(3).then(|| dice.decimal(1, 2)),
        gift: dice.one_in(4),
        tags: iter::repeat_with(|| dice.one_of(WORDS).to_owned()).take(tags).collect(),
    }
}

fn note(dice: &mut Dice) -> Note {
    let paragraphs: Vec<_> = (0..5).map(|_| format!("{}: \"{}\".", dice.words(20), dice.words(12))).collect();
    Note { id: dice.below(u64::MAX), text: paragraphs.join("\n"), pinned: dice.one_in(2) }
}

fn value<T: Document>(document: &T) -> Value {
    serde_json::to_value(document).expect("the type has no map")
}

/// Shuffles the members of all objects.
fn shuffle(value: &mut Value, dice: &mut Dice) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| shuffle(element, dice)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| shuffle(member, dice));
            let mut shuffled: Vec<_> =
                std::mem::take(members).into_iter().map(|member| (dice.below(u64::MAX), member)).collect();
            shuffled.sort_by_key(|(chance, _)| *chance);
            *members = shuffled.into_iter().map(|(_, member)| member).collect::<Map<_, _>>();
        }
        _ => {}
    }
}
