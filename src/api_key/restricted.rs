//! Whether the restrictions of a key allow a request.

use std::net::IpAddr;

use http::{HeaderValue, header};

use crate::{ClientIp, Rejection, RequestHead, Restrictions, rejection::Restriction};

/// The facts of a request that restrictions are about. It owns them, because a pending check outlives the head.
pub(super) struct Facts {
    address: Address,
    origin: Origin,
}

enum Address {
    Known(IpAddr),
    /// A trusted proxy did not name the client.
    Unnamed,
    /// The address of the connection is unknown.
    Missing(Rejection),
    /// No setting says how to find the address.
    Unset,
}

enum Origin {
    Absent,
    One(HeaderValue),
    Repeated,
}

impl Facts {
    /// Reads the facts. `client_ip` is the setting of the layer; without one, that of the stack applies.
    pub(super) fn of(request: &RequestHead<'_>, client_ip: Option<&ClientIp>) -> Self {
        let client_ip = client_ip.or_else(|| request.pass()?.client_ip);
        let address = client_ip.map_or(Address::Unset, |client_ip| {
            match client_ip.named(request.headers(), request.extensions()) {
                Ok(Some(address)) => Address::Known(address),
                Ok(None) => Address::Unnamed,
                Err(missing) => Address::Missing(missing),
            }
        });
        Self { address, origin: Origin::of(request) }
    }

    /// Returns the refusal of a request that the restrictions forbid.
    pub(super) fn check(self, restrictions: &Restrictions) -> Result<(), Rejection> {
        if let Some(member) = restrictions.unknown_members().next() {
            let cause =
                format!("the key has the restriction {member:?}, which this version does not know or cannot read");
            return Err(Rejection::restricted(Restriction::Unknown).cause(cause));
        }
        if restrictions.has_networks() {
            self.address.check(restrictions)?;
        }
        if restrictions.has_origins() { self.origin.check(restrictions) } else { Ok(()) }
    }
}

impl Address {
    fn check(self, restrictions: &Restrictions) -> Result<(), Rejection> {
        let cause = match self {
            Self::Known(address) if restrictions.admits_address(address) => return Ok(()),
            Self::Known(address) => format!("the key may not be used from {address}"),
            Self::Unnamed => "the key has networks, and the last trusted proxy did not name the client".to_owned(),
            Self::Missing(missing) => return Err(missing),
            Self::Unset => return Err(Rejection::internal(UNSET)),
        };
        Err(Rejection::restricted(Restriction::Network).cause(cause))
    }
}

impl Origin {
    fn of(request: &RequestHead<'_>) -> Self {
        let mut lines = request.headers().get_all(header::ORIGIN).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Self::Absent,
            (Some(origin), None) => Self::One(origin.clone()),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }

    fn check(&self, restrictions: &Restrictions) -> Result<(), Rejection> {
        let cause = match self {
            Self::One(origin) if restrictions.admits_origin(origin.as_bytes()) => return Ok(()),
            Self::One(origin) => format!("the key may not be used by the origin {origin:?}"),
            Self::Absent => "the key has origins, and the request has no `Origin`".to_owned(),
            Self::Repeated => "the key has origins, and the request has several `Origin` headers".to_owned(),
        };
        Err(Rejection::restricted(Restriction::Origin).cause(cause))
    }
}

const UNSET: &str = "the key has networks, but nothing says how the client's address is found; call \
                     AuthStackBuilder::client_ip(..), or ApiKeyLayer::client_ip(..) without a stack, with \
                     ClientIp::peer() or ClientIp::behind([\"10.0.0.0/8\"])?";
