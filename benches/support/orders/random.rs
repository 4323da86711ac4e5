//! Random contents of bodies, the same in every run.

use std::iter;

use serde_json::{Map, Value};

use super::open::{Address, Customer, Line, Note, Order, Status};

/// Pseudo-random numbers, the same in every run (`SplitMix64`).
pub(super) struct Dice(pub(super) u64);

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

pub(super) fn order(dice: &mut Dice, lines: u64) -> Order {
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

pub(super) fn note(dice: &mut Dice) -> Note {
    let paragraphs: Vec<_> = (0..5).map(|_| format!("{}: \"{}\".", dice.words(20), dice.words(12))).collect();
    Note { id: dice.below(u64::MAX), text: paragraphs.join("\n"), pinned: dice.one_in(2) }
}

/// Shuffles the members of all objects.
pub(super) fn shuffle(value: &mut Value, dice: &mut Dice) {
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
