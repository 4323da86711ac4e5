//! Whose requests are counted together.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use proptest::{collection::vec, prelude::*};
use tower_auth::limit::BucketKey;

use super::{exact::cases, hex};

fn of(parts: &[String]) -> BucketKey {
    BucketKey::new(parts.iter().map(String::as_str))
}

fn address(text: &str) -> BucketKey {
    BucketKey::from_ip(text.parse().unwrap())
}

#[test]
fn p43_parts_never_run_into_each_other() {
    let lists: [&[&str]; 20] = [
        &[],
        &[""],
        &["", ""],
        &["a"],
        &["", "a"],
        &["a", ""],
        &["a:b", "c"],
        &["a", "b:c"],
        &["a", "b", "c"],
        &["a:b:c"],
        &["abc"],
        &["ab", "c"],
        &["a", "bc"],
        &["c", "b", "a"],
        &["a\0b"],
        &["a", "\0b"],
        &["a\0", "b"],
        &["\u{1}\0\0\0\0\0\0\0a"],
        &["\u{1}\0\0\0\0\0\0\0", "a"],
        &["A"],
    ];
    let buckets: HashSet<_> = lists.iter().map(|parts| BucketKey::new(parts.iter().copied())).collect();
    assert_eq!(buckets.len(), lists.len());
}

proptest! {
    #![proptest_config(cases(3_000))]

    /// Parts of few letters, among them those that would look like a length or a mark between two parts.
    #[test]
    fn p43_different_parts_are_different_buckets(one in vec("[ab:/\0\u{1}]{0,4}", 0..5), two in vec("[ab:/\0\u{1}]{0,4}", 0..5)) {
        prop_assert_eq!(one == two, of(&one) == of(&two));
        prop_assert_eq!(one == two, of(&one).to_bytes() == of(&two).to_bytes());
    }

    /// The same text, cut at two places.
    #[test]
    fn p43_one_text_cut_differently_is_different_buckets(text in "[a-c:]{2,20}", one in any::<usize>(), two in any::<usize>()) {
        let cut = |at: usize| { let (left, right) = text.split_at(at % text.len()); BucketKey::new([left, right]) };
        prop_assert_eq!(one % text.len() == two % text.len(), cut(one) == cut(two));
        prop_assert_ne!(cut(one), BucketKey::new([text.as_str()]));
    }

    #[test]
    fn p47_an_ipv6_address_is_counted_with_its_64(network in any::<u64>(), one in any::<u64>(), two in any::<u64>()) {
        // Those that carry an IPv4 address have a test below.
        prop_assume!(network != 0);
        let at = |network: u64, host: u64| BucketKey::from_ip(Ipv6Addr::from(u128::from(network) << 64 | u128::from(host)).into());
        prop_assert_eq!(at(network, one), at(network, two));
        for bit in 0..64 {
            prop_assert_ne!(at(network, one), at(network ^ 1 << bit, one));
        }
    }

    #[test]
    fn p47_every_ipv4_address_is_counted_alone(one in any::<u32>(), two in any::<u32>()) {
        let at = |address: u32| BucketKey::from_ip(Ipv4Addr::from(address).into());
        prop_assert_eq!(one == two, at(one) == at(two));
        prop_assert_eq!(at(one), BucketKey::from_ip(Ipv4Addr::from(one).to_ipv6_mapped().into()));
        // It is in no network of IPv6, by chance or on purpose.
        prop_assert_ne!(at(one), BucketKey::from_ip(Ipv6Addr::from(u128::from(one) << 64).into()));
        prop_assert_ne!(at(one), BucketKey::from_ip(Ipv6Addr::from(u128::from(one)).into()));
    }

    #[test]
    fn p43_an_address_is_no_bucket_of_parts(address in any::<u32>()) {
        let address = IpAddr::from(Ipv4Addr::from(address));
        prop_assert_ne!(BucketKey::from_ip(address), BucketKey::new([address.to_string().as_str()]));
    }

    /// In a log stands neither an address, nor the bytes of one, nor a part: nothing at all.
    #[test]
    fn p43_a_bucket_that_is_printed_shows_no_address(bits in any::<u128>()) {
        let four = IpAddr::from(Ipv4Addr::from(u32::try_from(bits >> 96).unwrap()));
        let six = IpAddr::from(Ipv6Addr::from(bits));
        for address in [four, six] {
            let shown = format!("{:?}", BucketKey::from_ip(address));
            prop_assert_eq!(&shown, "BucketKey(..)");
        }
    }
}

#[test]
fn p47_addresses_are_grouped_as_customers_are() {
    let same = [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::1", "::2"),
        ("fe80::1", "fe80::2"),
    ];
    for (one, two) in same {
        assert_eq!(address(one), address(two), "{one} {two}");
    }
    let different = [
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("2001:db8:1:2::1", "2001:db9:1:2::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("192.0.2.1", "192.0.2.2"),
        ("::", "0.0.0.0"),
        ("64:ff9b::192.0.2.1", "192.0.2.1"),
    ];
    for (one, two) in different {
        assert_ne!(address(one), address(two), "{one} {two}");
    }
}

/// A limiter of one's own keeps it elsewhere, for several processes: the bytes never change.
#[test]
fn p43_the_bytes_of_a_bucket_are_the_same_in_every_process() {
    let hex = |bucket: BucketKey| hex(&bucket.to_bytes());
    // The first half of SHA-256 over each part behind its length in eight bytes, least first:
    // printf '\1\0\0\0\0\0\0\0a\2\0\0\0\0\0\0\0bc' | sha256sum
    assert_eq!(hex(BucketKey::new(["a", "bc"])), "9a8acca1b6c6c0befd3fbc756aed625d");
    assert_eq!(hex(BucketKey::new([])), "e3b0c44298fc1c149afbf4c8996fb924");
    assert_eq!(hex(address("192.0.2.1")), "010200c0000000000400000000000000");
    assert_eq!(hex(address("2001:db8:1:2::9")), "02000100b80d01200600000000000000");
}
