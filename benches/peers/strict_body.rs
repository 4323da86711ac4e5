//! Reading JSON into a type, compared with parsers that use SIMD instructions.
//!
//! `README.md` next to this file says how to run it. The other parsers check less: they accept a duplicate name that is not
//! a field of the type, and an unknown name unless every type has `deny_unknown_fields`.

#[path = "../support/harness.rs"]
#[expect(dead_code, reason = "this benchmark measures no service")]
mod harness;
#[path = "../support/orders/mod.rs"]
#[expect(dead_code, reason = "this benchmark has no check by hand")]
mod orders;

use std::hint::black_box;

use serde_json::Value;
use simd_json::Buffers;
use tower_auth::json::{self, JsonLimits};

use self::{
    harness::{Bench, Effort},
    orders::{Bodies, Document, Kinds},
};

fn main() {
    let mut bench = Bench::default();
    let kinds = Kinds::new();
    read(&mut bench, &kinds.small);
    read(&mut bench, &kinds.large);
    read(&mut bench, &kinds.shuffled);
    read(&mut bench, &kinds.text);

    let Some(effort) = Effort::from_args() else { return };
    kinds.print();
    println!();
    bench.run(effort).print();
}

fn read<T: Document>(bench: &mut Bench, bodies: &Bodies<T>) {
    bodies.agree(|text| json::from_slice(text, &JsonLimits::new()));
    bodies.agree(|text| sonic_rs::from_slice(text));
    bodies.agree(|text| simd_json::serde::from_slice(&mut text.to_vec()));

    bodies.floor(bench);
    bodies.accepted(bench, "json::from_slice", |text| json::from_slice::<T>(text, &JsonLimits::new()));
    bodies.accepted(bench, "json::check", |text| json::check(text, &JsonLimits::new()));
    bodies.accepted(bench, "sonic_rs::from_slice", |text| sonic_rs::from_slice::<T>(text));
    bodies.accepted(bench, "sonic_rs, deny_unknown_fields", |text| sonic_rs::from_slice::<T::Denying>(text));
    // This parser writes into the text, so it gets a copy, which it would also need of shared bytes.
    bodies.accepted(bench, "simd_json::serde::from_slice of a copy", |text| {
        simd_json::serde::from_slice::<T>(&mut text.to_vec())
    });
    let (mut copy, mut buffers) = (Vec::new(), Buffers::default());
    bodies.accepted(bench, "simd_json of a copy, buffers kept", move |text| {
        copy.clear();
        copy.extend_from_slice(text);
        simd_json::serde::from_slice_with_buffers::<T>(&mut copy, &mut buffers)
    });
    bodies.accepted(bench, "serde_json::Value", |text| serde_json::from_slice::<Value>(text));
    bodies.accepted(bench, "sonic_rs::Value", |text| sonic_rs::from_slice::<sonic_rs::Value>(text));
    bodies.accepted(bench, "simd_json::BorrowedValue of a copy", |text| {
        simd_json::to_borrowed_value(&mut text.to_vec()).map(|value| drop(black_box(value)))
    });

    refused(bench, &bodies.with_unknown_name());
}

fn refused<T: Document>(bench: &mut Bench, bodies: &Bodies<T>) {
    bodies.refused_floor(bench);
    let what = "unknown name: sonic_rs, deny_unknown_fields";
    bodies.refused(bench, what, |text| sonic_rs::from_slice::<T::Denying>(text));
    bodies.refused(bench, "unknown name: json::from_slice", |text| json::from_slice::<T>(text, &JsonLimits::new()));
}
