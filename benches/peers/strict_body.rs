//! Reading JSON into a type, compared with parsers that use SIMD instructions.
//!
//! `README.md` next to this file says how to run it. The other parsers check less: they accept a duplicate name that is not
//! a field of the type, and an unknown name unless every type has `deny_unknown_fields`.

#[path = "../support/harness.rs"]
#[expect(dead_code, reason = "this benchmark measures no service")]
mod harness;
#[path = "../support/orders.rs"]
#[expect(dead_code, reason = "this benchmark has no check by hand")]
mod orders;

use std::hint::black_box;

use serde_json::Value;
use simd_json::Buffers;
use tower_auth::json::{self, JsonLimits};

use self::{
    harness::{Bench, Effort},
    orders::{Bodies, Document},
};

fn main() {
    let mut bench = Bench::default();
    let (small, large) = (Bodies::small(), Bodies::large());
    let (shuffled, text) = (Bodies::shuffled(), Bodies::text());

    read(&mut bench, &small);
    read(&mut bench, &large);
    read(&mut bench, &shuffled);
    read(&mut bench, &text);

    let Some(effort) = Effort::from_args() else { return };
    small.print();
    large.print();
    shuffled.print();
    text.print();
    println!();
    bench.run(effort).print();
}

fn read<T: Document>(bench: &mut Bench, bodies: &Bodies<T>) {
    bodies.agree(|text| json::from_slice(text, &JsonLimits::new()));
    bodies.agree(|text| sonic_rs::from_slice(text));
    bodies.agree(|text| simd_json::serde::from_slice(&mut text.to_vec()));

    bench.without_floor();
    let floor = bodies.accepted(bench, "floor, serde_json::from_slice", |text| serde_json::from_slice::<T>(text));
    bench.against(floor);
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
    bench.without_floor();
    let what = "unknown name: serde_json, deny_unknown_fields";
    let floor = bodies.refused(bench, what, |text| serde_json::from_slice::<T::Denying>(text));
    bench.against(floor);
    let what = "unknown name: sonic_rs, deny_unknown_fields";
    bodies.refused(bench, what, |text| sonic_rs::from_slice::<T::Denying>(text));
    bodies.refused(bench, "unknown name: json::from_slice", |text| json::from_slice::<T>(text, &JsonLimits::new()));
}
