//! Signatures that are nearly good.

use super::{Accepted, Invalid, Table, forms::three, rs256};
use crate::tokens::mint::{Key, RSA_PKCS1, b64, der, key, unb64};

pub(super) fn add(table: &mut Table) {
    for kid in ["hs256", "hs384", "hs512", "rs256", "ps256", "es256", "es384", "es512", "es256k", "ed25519"] {
        changed(table, key(kid));
    }
    ecdsa(table, key("es256"), P256_ORDER);
    ecdsa(table, key("es384"), P384_ORDER);
    ecdsa(table, key("es512"), P521_ORDER);
    ecdsa(table, key("es256k"), SECP256K1_ORDER);
    ed25519(table, key("ed25519"));
    rsa(table, rs256());
    moved(table);
}

const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P384_ORDER: &str =
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
const P521_ORDER: &str = "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
    fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409";
const SECP256K1_ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
/// Little-endian.
const ED25519_ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/// A token with another signature.
fn with(token: &str, signature: impl AsRef<[u8]>) -> String {
    let [header, claims, _] = three(token);
    format!("{header}.{claims}.{}", b64(signature))
}

fn changed(table: &mut Table, key: &Key) {
    let (kid, token) = (key.kid, key.token(table.now));
    let good = unb64(&three(&token)[2]);
    let last = good.len() - 1;
    let flipped = |at: usize, bit: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= bit;
        bytes
    };
    let other = key.sign(b"something else");
    let hex = good.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    for (name, signature) in [
        ("empty", vec![]),
        ("one zero byte", vec![0]),
        ("all zero", vec![0; good.len()]),
        ("all ones", vec![0xff; good.len()]),
        ("the first byte missing", good[1..].to_vec()),
        ("the last byte missing", good[..last].to_vec()),
        ("the first half", good[..good.len() / 2].to_vec()),
        ("the last half", good[good.len() / 2..].to_vec()),
        ("16 bytes", good[..16].to_vec()),
        ("a zero byte before", [&[0], &*good].concat()),
        ("a zero byte behind", [&*good, &[0]].concat()),
        ("twice", [&*good, &*good].concat()),
        ("in reverse", good.iter().rev().copied().collect()),
        ("inverted", good.iter().map(|byte| !byte).collect()),
        ("the first bit flipped", flipped(0, 0x80)),
        ("the first byte's last bit flipped", flipped(0, 1)),
        ("a bit in the middle flipped", flipped(good.len() / 2, 0x10)),
        ("the last byte's first bit flipped", flipped(last, 0x80)),
        ("the last bit flipped", flipped(last, 1)),
        ("that of another text", other),
        ("in hexadecimal", hex.into_bytes()),
        ("in base64 once more", b64(&good).into_bytes()),
        ("the text that is signed", token.as_bytes()[..token.rfind('.').unwrap()].to_vec()),
    ] {
        table.add("signature", format!("{kid}: {name}"), with(&token, signature), Invalid);
    }
    // Over less than header and claims, or more.
    let [header, claims, _] = three(&token);
    let signed = format!("{header}.{claims}");
    for (name, text) in [
        ("the header alone", header.clone()),
        ("the claims alone", claims.clone()),
        ("no dot between", format!("{header}{claims}")),
        ("a dot behind", format!("{signed}.")),
        ("what is encoded", format!("{}.{}", key.header().as_str(), table.claims().as_str())),
        ("the claims first", format!("{claims}.{header}")),
        ("nothing", String::new()),
    ] {
        table.add("signature", format!("{kid}: over {name}"), with(&token, key.sign(text.as_bytes())), Invalid);
    }
    // Other claims, and other headers, under a signature that was good.
    for (name, text) in [
        ("other claims", format!("{header}.{}", b64(table.claims().text("sub", "admin")))),
        ("claims in another order", format!("{header}.{}", b64(table.claims().without("sub").text("sub", "user_1")))),
        ("claims and a space", format!("{header}.{}", b64(table.claims().as_str().to_owned() + " "))),
        ("another header", format!("{}.{claims}", b64(key.header().raw("x", 1)))),
        ("a header and a space", format!("{}.{claims}", b64(key.header().as_str().to_owned() + " "))),
    ] {
        table.add("signature", format!("{kid}: {name}"), format!("{text}.{}", b64(&good)), Invalid);
    }
}

fn ecdsa(table: &mut Table, key: &Key, order: &str) {
    let (kid, token, order) = (key.kid, key.token(table.now), hex(order));
    let good = unb64(&three(&token)[2]);
    let (r, s) = good.split_at(good.len() / 2);
    let zero = vec![0; r.len()];
    let one = [&zero[1..], &[1]].concat();
    let above = [&order[..order.len() - 1], &[order[order.len() - 1] + 1]].concat();
    let cases: [(&str, &[u8], &[u8]); 13] = [
        ("r and s zero", &zero, &zero),
        ("r zero", &zero, s),
        ("s zero", r, &zero),
        ("r and s one", &one, &one),
        ("r and s the order", &order, &order),
        ("r the order", &order, s),
        ("s the order", r, &order),
        ("s beyond the order", r, &above),
        ("r beyond the order", &above, s),
        ("r the order and s zero", &order, &zero),
        ("s before r", s, r),
        ("r twice", r, r),
        ("s twice", s, s),
    ];
    for (name, r, s) in cases {
        table.add("ecdsa", format!("{kid}: {name}"), with(&token, [r, s].concat()), Invalid);
    }
    let in_der = [der_integer(r), der_integer(s)].concat();
    let length = u8::try_from(in_der.len()).unwrap();
    let head = if length < 0x80 { vec![0x30, length] } else { vec![0x30, 0x81, length] };
    table.add("ecdsa", format!("{kid}: in DER"), with(&token, [&*head, &*in_der].concat()), Invalid);
    let padded = [&[0], r, &[0], s].concat();
    table.add("ecdsa", format!("{kid}: a zero before r and s"), with(&token, padded), Invalid);
    // The numbers of one curve, written as long as those of another.
    for bytes in [32, 48, 66, 72] {
        let (zeros, fits) = (bytes > r.len(), r.len() - r.len().min(bytes));
        let zeros = vec![0; if zeros { bytes - r.len() } else { 0 }];
        let other = [&*zeros, &r[fits..], &*zeros, &s[fits..]].concat();
        if bytes != r.len() {
            table.add("ecdsa", format!("{kid}: in numbers of {bytes} bytes"), with(&token, other), Invalid);
        }
    }
    let recoverable = [&good[..], &[27]].concat();
    table.add("ecdsa", format!("{kid}: with a recovery id"), with(&token, recoverable), Invalid);
    // Of every ECDSA signature there are two; JWA does not choose between them (RFC 7518, section 3.4).
    let other = [r, &minus(&order, s)].concat();
    table.add("good", format!("{kid}: the other of the two good signatures"), with(&token, other), Accepted);
}

fn ed25519(table: &mut Table, key: &Key) {
    let token = key.token(table.now);
    let good = unb64(&three(&token)[2]);
    let (r, s) = good.split_at(32);
    let big = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
    let beyond = big(&plus(&big(s), &big(&hex(ED25519_ORDER))).unwrap());
    let identity = [&[1][..], &[0; 31]].concat();
    for (name, signature) in [
        ("s beyond the order", [r, &*beyond].concat()),
        ("s zero", [r, &[0; 32]].concat()),
        ("r the identity", [&*identity, s].concat()),
        ("r the identity and s zero", [&*identity, &[0; 32]].concat()),
        ("r zero", [&[0; 32], s].concat()),
        ("s before r", [s, r].concat()),
    ] {
        table.add("signature", format!("ed25519: {name}"), with(&token, signature), Invalid);
    }
}

fn rsa(table: &mut Table, key: &Key) {
    let modulus = der(RSA_PKCS1)[9..265].to_vec();
    let tokens = |wanted: &dyn Fn(&[u8]) -> bool| {
        let mut tokens = (0..20_000).map(|n| key.seal(key.header(), table.claims().raw("n", n)));
        tokens.find(|token| wanted(&unb64(&three(token)[2]))).unwrap()
    };
    // One signature in 256 starts with a zero byte, which is a part of it (RFC 8017, section 8.2.2).
    let zero = tokens(&|signature| signature[0] == 0);
    let bytes = unb64(&three(&zero)[2]);
    // The same number, written otherwise.
    let small = tokens(&|signature| plus(signature, &modulus).is_some());
    let sum = plus(&unb64(&three(&small)[2]), &modulus).unwrap();
    table.add("rsa", "a leading zero byte", zero.clone(), Accepted);
    table.add("rsa", "without its leading zero byte", with(&zero, &bytes[1..]), Invalid);
    table.add("rsa", "a leading zero byte moved to the end", with(&zero, [&bytes[1..], &[0]].concat()), Invalid);
    table.add("rsa", "the modulus added", with(&small, sum), Invalid);
    let token = key.token(table.now);
    let one = [vec![0; 255], vec![1]].concat();
    let padded = [&[0, 1][..], &[0xff; 202], &[0; 52]].concat();
    for (name, signature) in [("zero", vec![0; 256]), ("one", one), ("the modulus", modulus), ("padding alone", padded)]
    {
        table.add("rsa", format!("the number: {name}"), with(&token, signature), Invalid);
    }
}

/// Good parts of good tokens, put together.
fn moved(table: &mut Table) {
    for kid in ["hs256", "rs256", "es256", "ed25519"] {
        let key = key(kid);
        let one = three(&key.token(table.now));
        let two = three(&key.seal(key.header().raw("x", 1), table.claims().text("sub", "user_2")));
        for choice in 1..7_usize {
            let parts: Vec<&str> =
                (0..3).map(|part| &*(if choice >> part & 1 == 0 { &one } else { &two })[part]).collect();
            table.add("signature", format!("{kid}: parts of two tokens, {choice:03b}"), parts.join("."), Invalid);
        }
    }
}

fn der_integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[zeros..];
    let sign = if number[0] & 0x80 == 0 { &[][..] } else { &[0] };
    let length = u8::try_from(sign.len() + number.len()).unwrap();
    [&[0x02, length], sign, number].concat()
}

/// The sum of two big-endian numbers, if it is no longer than they are.
fn plus(one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let mut sum = vec![0; one.len()];
    let mut carry = 0_u16;
    for at in (0..one.len()).rev() {
        carry += u16::from(one[at]) + u16::from(other[at]);
        sum[at] = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    (carry == 0).then_some(sum)
}

/// A big-endian number less a smaller one.
fn minus(one: &[u8], other: &[u8]) -> Vec<u8> {
    let complement: Vec<u8> = other.iter().map(|byte| !byte).collect();
    let mut difference = vec![0; one.len()];
    let mut carry = 1_u16;
    for at in (0..one.len()).rev() {
        carry += u16::from(one[at]) + u16::from(complement[at]);
        difference[at] = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    difference
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
