//! What a limiter keeps, and how much room it takes.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use tower_auth::{
    Quota,
    limit::{BucketKey, LimitDecision, MemoryLimiter},
};

use super::{DAY, HOUR, MINUTE, SECOND, admits, admitted, alice, limits, remaining};

/// So many fill the tables of all parts.
const MOST: usize = 917_504;
/// "Takes 57 bytes."
const LARGEST: usize = 57;

fn four(number: u32) -> BucketKey {
    BucketKey::from_ip(Ipv4Addr::from(number).into())
}

fn six(number: u32) -> BucketKey {
    BucketKey::from_ip(Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(number) << 64 | 1).into())
}

/// A number that tells nothing of this one, and belongs to no other: parts of the store are filled evenly by these.
fn scattered(number: u32) -> u32 {
    let number = (number ^ number >> 16).wrapping_mul(0x85eb_ca6b);
    let number = (number ^ number >> 13).wrapping_mul(0xc2b2_ae35);
    number ^ number >> 16
}

/// A million addresses, one after another, of both kinds: the store stays within its bounds, somebody who has used up a
/// limit stays refused, and somebody who has some left has just that.
#[test]
fn p46_r135_a_million_addresses_neither_grow_the_store_nor_reset_anybody() {
    let (limiter, limits) = (MemoryLimiter::new().max_buckets(MOST), limits([Quota::per_hour(3), Quota::per_day(50)]));
    let bob = BucketKey::new(["bob"]);
    assert_eq!(admitted(&limiter, alice(), &limits, SECOND, 5), 3);
    assert!(admits(&limiter, bob, &limits, SECOND));
    let mut now = SECOND;
    for number in 0..500_000 {
        now += Duration::from_micros(200);
        limiter.try_acquire(four(number), &limits, 1, now);
        limiter.try_acquire(six(scattered(number)), &limits, 1, now);
        if number % 50_000 == 0 {
            assert!(!admits(&limiter, alice(), &limits, now), "after {number}");
        }
    }
    assert!((MOST / 2..=MOST).contains(&limiter.len()), "{} are kept", limiter.len());
    assert_eq!(limiter.shared_bucket_count(), 1_000_002 - limiter.len() as u64);
    // All tables are full but for an eighth.
    assert!(limiter.memory_bytes() <= MOST * LARGEST * 8 / 7 + 64 * 16, "{} bytes", limiter.memory_bytes());
    let LimitDecision::Refused { wait, .. } = limiter.try_acquire(alice(), &limits, 1, now) else {
        panic!("alice was reset")
    };
    assert_eq!(wait, super::before(SECOND + 20 * MINUTE, now));
    assert_eq!(remaining(&limiter, bob, &limits, now), [2, 49]);
}

/// By default a million addresses have room: nobody has to share, and nobody is refused.
#[test]
fn p46_a_million_addresses_have_room() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_hour(3)]));
    assert!((0..1_000_000).all(|number| admits(&limiter, four(number), &limits, SECOND)));
    assert_eq!((limiter.len(), limiter.shared_bucket_count()), (1_000_000, 0));
    assert!(limiter.memory_bytes() <= 1_000_000 * LARGEST * 23 / 10, "{} bytes", limiter.memory_bytes());
}

/// "57 bytes … and what a hash table leaves empty: 1.3 times as much again at the most", however many there are: seven of
/// sixteen places are filled when a table has just grown.
#[test]
fn p46_the_memory_is_what_the_page_says() {
    let (each, len) = worst_while_it_grows();
    assert!(each * 10 <= LARGEST * 23, "{each} bytes each, with {len} of them");
}

fn worst_while_it_grows() -> (usize, usize) {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_day(3)]));
    let mut worst = (0, 0);
    for number in 0..200_000 {
        limiter.try_acquire(four(scattered(number)), &limits, 1, SECOND);
        // With fewer, the smallest tables of the 64 parts weigh more than what is in them.
        if number > 10_000 && number % 500 == 0 {
            // The sixteen bytes are those that a table of any size has at its end.
            worst = worst.max(((limiter.memory_bytes() - 64 * 16).div_ceil(limiter.len()), limiter.len()));
        }
    }
    worst
}

/// Buckets come and go for as long as the process runs. The tables take no more room for that.
#[test]
fn p46_no_table_is_doubled_while_buckets_come_and_go() {
    let worst = worst_while_buckets_come_and_go();
    assert!(worst <= TABLES, "{worst} bytes instead of {TABLES}");
}

/// Tables of 512 places, of which 448 are seven eighths.
const TABLES: usize = 64 * (512 * LARGEST + 16);

fn worst_while_buckets_come_and_go() -> usize {
    let limiter = MemoryLimiter::new().max_buckets(64 * 448);
    let short_and_long = [limits([Quota::per_minute(3)]), limits([Quota::per_hour(3)])];
    let (mut worst, mut number, mut now) = (0, 0, SECOND);
    for _ in 0..25 {
        for _ in 0..10_000 {
            number += 1;
            now += Duration::from_millis(3);
            limiter.try_acquire(four(scattered(number)), &short_and_long[number as usize % 2], 1, now);
        }
        worst = worst.max(limiter.memory_bytes());
        assert!(limiter.len() <= 64 * 448);
    }
    worst
}

/// A thousand new ones an hour, each full again within a minute: they are forgotten before a table grows.
#[test]
fn p46_full_buckets_are_forgotten() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(3)]));
    let mut bytes = 0;
    for hour in 0..1_000 {
        for number in 0..1_000 {
            assert!(admits(&limiter, four(hour * 1_000 + number), &limits, hour * HOUR + SECOND));
        }
        if hour == 10 {
            bytes = limiter.memory_bytes();
        }
    }
    assert!(limiter.len() <= 64 * 56, "{}", limiter.len());
    assert!(limiter.memory_bytes() <= 2 * bytes, "{} bytes, after {bytes}", limiter.memory_bytes());
}

/// After an attack the store is small again.
#[test]
fn p46_the_store_shrinks_when_the_attack_is_over() {
    let (limiter, limits) = (MemoryLimiter::new().max_buckets(64_000), limits([Quota::per_minute(3)]));
    for number in 0..100_000 {
        limiter.try_acquire(four(scattered(number)), &limits, 1, SECOND);
    }
    let (len, bytes) = (limiter.len(), limiter.memory_bytes());
    assert_eq!(len, 64_000);
    for number in 0..6_400 {
        limiter.try_acquire(six(scattered(number)), &limits, 1, HOUR);
    }
    assert!(limiter.len() <= 6_400 && limiter.len() > 6_000, "{}", limiter.len());
    assert!(limiter.memory_bytes() < bytes / 4, "{} of {bytes} bytes", limiter.memory_bytes());
    assert_eq!(limiter.shared_bucket_count(), 36_000);
}

/// Requests that count nothing, or that are refused, make no bucket: nobody fills the store for nothing.
#[test]
fn p46_what_counts_nothing_is_not_kept() {
    let (limiter, limits) = (MemoryLimiter::new(), limits([Quota::per_minute(3)]));
    for number in 0..10_000 {
        limiter.try_acquire(four(number), &limits, 0, SECOND);
        limiter.try_acquire(four(number), &limits, 4, SECOND);
    }
    assert_eq!((limiter.len(), limiter.memory_bytes(), limiter.is_empty()), (0, 0, true));
}

/// A bucket that is full again may be kept or not: it is counted the same.
#[test]
fn p46_a_bucket_that_was_forgotten_is_full() {
    let (limiter, limits) = (MemoryLimiter::new().max_buckets(64), limits([Quota::per_hour(3), Quota::per_day(9)]));
    assert_eq!(admitted(&limiter, alice(), &limits, SECOND, 3), 3);
    for number in 0..10_000 {
        limiter.try_acquire(four(number), &limits, 1, 2 * DAY);
    }
    assert_eq!(remaining(&limiter, alice(), &limits, 2 * DAY), [3, 9]);
}

/// A bucket of which one window is full again and the other is not counts on.
#[test]
fn p46_a_bucket_that_counts_in_one_window_is_not_forgotten() {
    let (limiter, limits) = (MemoryLimiter::new().max_buckets(64), limits([Quota::per_second(3), Quota::per_day(9)]));
    assert_eq!(admitted(&limiter, alice(), &limits, SECOND, 3), 3);
    for number in 0..10_000 {
        limiter.try_acquire(four(number), &limits, 1, HOUR);
    }
    assert_eq!(remaining(&limiter, alice(), &limits, HOUR), [3, 6]);
}
