use std::fmt;

/// The signature algorithm of a token. Every [`VerifyingKey`](super::VerifyingKey) has exactly one.
///
/// ```
/// use tower_auth::token::Algorithm;
///
/// assert_eq!(Algorithm::Es256.name(), "ES256");
/// assert_eq!(Algorithm::from_name("ES256"), Some(Algorithm::Es256));
/// assert_eq!(Algorithm::from_name("none"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// ECDSA on secp256k1 with SHA-256 (RFC 8812).
    Es256k,
    /// Ed25519, called `EdDSA` (RFC 8037) or `Ed25519` (RFC 9864) in a token.
    Ed25519,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &'static [Self] = &[
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Es256k,
        Self::Ed25519,
    ];

    /// Returns the name in a token's header (RFC 7518, section 3.1; RFC 8812; RFC 9864).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Es256k => "ES256K",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// Returns the algorithm with this name. Names are case-sensitive. `EdDSA` is Ed25519 too. `none` is not an
    /// algorithm.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let same = Self::ALL.iter().find(|algorithm| algorithm.name() == name).copied();
        same.or((name == "EdDSA").then_some(Self::Ed25519))
    }

    /// Returns the name that this crate writes into tokens and key sets. `EdDSA` is the older name of Ed25519 (RFC 8037), which
    /// more verifiers know.
    pub(crate) const fn header_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "EdDSA",
            other => other.name(),
        }
    }

    /// Returns whether whoever can verify a signature can make one.
    pub(crate) const fn is_symmetric(self) -> bool {
        matches!(self.family(), Family::Hmac)
    }

    pub(super) const fn family(self) -> Family {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Hmac,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::Es512 => Family::P521,
            Self::Es256k => Family::Secp256k1,
            Self::Ed25519 => Family::Ed25519,
        }
    }

    /// Returns whether keys of this algorithm are secrets.
    pub(super) const fn is_hmac(self) -> bool {
        matches!(self.family(), Family::Hmac)
    }

    /// Returns the minimum length of a secret for this algorithm, in bytes (RFC 7518, section 3.2).
    pub(super) const fn shortest_secret(self) -> usize {
        match self {
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 32,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The type of key that an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Hmac,
    Rsa,
    P256,
    P384,
    P521,
    Secp256k1,
    Ed25519,
}

/// A curve of ECDSA keys.
#[derive(Debug)]
pub(super) struct Curve {
    /// The `crv` of a JSON Web Key.
    pub(super) name: &'static str,
    /// The length of a coordinate, in bytes.
    pub(super) bytes: usize,
    /// The object identifier that names it in PEM, without tag and length.
    pub(super) oid: &'static [u8],
}

impl Family {
    /// Returns the curve, if the keys are for ECDSA.
    pub(super) const fn curve(self) -> Option<&'static Curve> {
        match self {
            Self::P256 => {
                Some(&Curve { name: "P-256", bytes: 32, oid: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] })
            }
            Self::P384 => Some(&Curve { name: "P-384", bytes: 48, oid: &[0x2b, 0x81, 0x04, 0x00, 0x22] }),
            Self::P521 => Some(&Curve { name: "P-521", bytes: 66, oid: &[0x2b, 0x81, 0x04, 0x00, 0x23] }),
            Self::Secp256k1 => Some(&Curve { name: "secp256k1", bytes: 32, oid: &[0x2b, 0x81, 0x04, 0x00, 0x0a] }),
            Self::Hmac | Self::Rsa | Self::Ed25519 => None,
        }
    }

    /// Returns the ECDSA algorithm of the first curve that satisfies a condition. Each curve has one algorithm.
    pub(super) fn of_curve(is: impl Fn(&Curve) -> bool) -> Option<Algorithm> {
        Algorithm::ALL.iter().copied().find(|algorithm| algorithm.family().curve().is_some_and(&is))
    }
}
