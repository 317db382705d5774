//! Which connections are taken at all: so many at once, so many of one address, so many in a minute. Addresses are not
//! kept: a place is counted under a salted hash, whose salt lives as long as the process.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use caro_link::entropy::{Entropy, NoEntropy};

use crate::{
    limits::Limits,
    rate::{Bucket, Buckets, Rate},
};

/// Why a connection is not taken. The log has this and the address, and nothing else of anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// As many connections as there may be.
    Full,
    /// As many that have not said who they are.
    Opening,
    /// As many of this address.
    Address,
    /// As many of this address that have not said who they are.
    AddressOpening,
    /// Too many new ones of this address.
    Rate,
    /// Too many new ones of everybody.
    TotalRate,
}

impl Rejection {
    /// Each with the word that stands for it where it is counted.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Full, "connections"),
        (Self::Opening, "opening"),
        (Self::Address, "address"),
        (Self::AddressOpening, "address_opening"),
        (Self::Rate, "address_rate"),
        (Self::TotalRate, "rate"),
    ];
}

/// The door.
pub struct Door {
    salt: [u8; 32],
    inner: Mutex<Inner>,
}

struct Inner {
    limits: Limits,
    open: u32,
    opening: u32,
    addresses: HashMap<u64, Count>,
    arrivals: Buckets,
    total: Bucket,
    reports: Bucket,
}

/// Connections of one address.
#[derive(Default)]
struct Count {
    open: u32,
    opening: u32,
}

/// Seconds' worth of new connections that may come at once.
const BURST_SECONDS: u32 = 4;

/// Rejections that are logged in a second. A flood must not fill the log.
const REPORTS_PER_SECOND: u32 = 1;

impl Door {
    /// With these limits and a salt of its own.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(limits: Limits, entropy: &mut dyn Entropy) -> Result<Arc<Self>, NoEntropy> {
        let mut salt = [0; 32];
        entropy.fill(&mut salt)?;
        let inner = Inner {
            open: 0,
            opening: 0,
            addresses: HashMap::new(),
            arrivals: Buckets::new(arrival_rate(&limits)),
            total: Bucket::default(),
            reports: Bucket::default(),
            limits,
        };
        Ok(Arc::new(Self { salt, inner: Mutex::new(inner) }))
    }

    /// Other limits from now on. Who is in stays.
    pub fn set_limits(&self, limits: Limits) {
        let mut inner = self.lock();
        inner.arrivals.change_rate(arrival_rate(&limits));
        inner.limits = limits;
    }

    /// A connection has come, from this address; from none where only a proxy can say it. The place it gets is free again
    /// when it is dropped.
    ///
    /// Its address is asked first, so that one that floods uses up its own share of new connections and not everybody's.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn enter(self: &Arc<Self>, from: Option<IpAddr>, now_ms: u64) -> Result<Place, Rejection> {
        let mut inner = self.lock();
        if inner.open >= inner.limits.connections_max {
            return Err(Rejection::Full);
        }
        if inner.opening >= inner.limits.opening_max {
            return Err(Rejection::Opening);
        }
        let number = from.map(|address| self.number(address));
        if let Some(number) = number {
            inner.asks_address(number, now_ms)?;
        }
        let rate = total_rate(&inner.limits);
        inner.total.take(rate, now_ms).map_err(|_| Rejection::TotalRate)?;
        inner.open += 1;
        inner.opening += 1;
        if let Some(number) = number {
            inner.count(number, true);
        }
        Ok(Place { door: self.clone(), opening: true, origin: number })
    }

    /// Whether this rejection is one of those that are logged.
    pub fn reports(&self, now_ms: u64) -> bool {
        self.lock().reports.take(Rate::per_second(REPORTS_PER_SECOND, 1), now_ms).is_ok()
    }

    /// Forgets addresses that have nothing open and took nothing lately.
    pub fn sweep(&self, now_ms: u64) {
        self.lock().arrivals.sweep(now_ms);
    }

    /// How many connections there are.
    pub fn open_count(&self) -> u32 {
        self.lock().open
    }

    /// How many of them have not said who they are.
    pub fn opening_count(&self) -> u32 {
        self.lock().opening
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counting cannot panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An address's number here. All of an IPv6 /64 is one: it is what one customer gets.
    fn number(&self, address: IpAddr) -> u64 {
        let bytes = match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).octets(),
        };
        let hash = blake3::keyed_hash(&self.salt, &bytes);
        let mut number = [0; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(number)
    }
}

impl Inner {
    /// Whether one more of this address is taken.
    fn asks_address(&mut self, number: u64, now_ms: u64) -> Result<(), Rejection> {
        if let Some(count) = self.addresses.get(&number) {
            if count.open >= self.limits.connections_per_address_max {
                return Err(Rejection::Address);
            }
            if count.opening >= self.limits.opening_per_address_max {
                return Err(Rejection::AddressOpening);
            }
        }
        self.arrivals.take(number, now_ms).map_err(|_| Rejection::Rate)
    }

    fn count(&mut self, number: u64, opening: bool) {
        let count = self.addresses.entry(number).or_default();
        count.open += 1;
        count.opening += u32::from(opening);
    }
}

/// A connection's place.
pub struct Place {
    door: Arc<Door>,
    opening: bool,
    origin: Option<u64>,
}

impl Place {
    /// The number of the address that it comes from, where that is known.
    pub fn origin(&self) -> Option<u64> {
        self.origin
    }

    /// Counts the connection for the address that a proxy says. Gives the address's number. One that is refused is given
    /// back to everybody's new connections: it was taken from them before the address was known.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn comes_from(&mut self, address: IpAddr, now_ms: u64) -> Result<u64, Rejection> {
        let number = self.door.number(address);
        let mut inner = self.door.lock();
        if let Err(rejection) = inner.asks_address(number, now_ms) {
            let rate = total_rate(&inner.limits);
            inner.total.give_back(rate);
            return Err(rejection);
        }
        inner.count(number, self.opening);
        self.origin = Some(number);
        Ok(number)
    }

    /// The other side has said who it is.
    pub fn opened(&mut self) {
        if std::mem::take(&mut self.opening) {
            let mut inner = self.door.lock();
            inner.opening = inner.opening.saturating_sub(1);
            if let Some(count) = self.origin.and_then(|number| inner.addresses.get_mut(&number)) {
                count.opening = count.opening.saturating_sub(1);
            }
        }
    }
}

fn total_rate(limits: &Limits) -> Rate {
    Rate::per_second(limits.connections_per_second_total, BURST_SECONDS)
}

fn arrival_rate(limits: &Limits) -> Rate {
    Rate::per(limits.connections_per_address_per_minute, 60_000)
}

impl Drop for Place {
    fn drop(&mut self) {
        self.opened();
        let mut inner = self.door.lock();
        inner.open = inner.open.saturating_sub(1);
        if let Some(number) = self.origin
            && let Some(count) = inner.addresses.get_mut(&number)
        {
            count.open = count.open.saturating_sub(1);
            if count.open == 0 {
                inner.addresses.remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use caro_link::entropy::OsEntropy;

    use super::*;

    fn door(limits: Limits) -> Arc<Door> {
        Door::new(limits, &mut OsEntropy).unwrap()
    }

    #[test]
    fn t_conn_04_a_place_is_free_again_and_leaves_nothing() {
        let door = door(Limits { connections_max: 1, ..Limits::default() });
        for _ in 0..10 {
            let mut place = door.enter(None, 0).unwrap();
            assert!(place.comes_from([192, 0, 2, 1].into(), 0).is_ok());
            assert_eq!(door.enter(None, 0).err(), Some(Rejection::Full));
        }
        assert_eq!(door.open_count(), 0);
        assert!(door.lock().addresses.is_empty());
    }

    #[test]
    fn one_address_and_one_ipv6_network_count_as_one() {
        let door = door(Limits { connections_per_address_max: 1, ..Limits::default() });
        let from = |text: &str| {
            let mut place = door.enter(None, 0).unwrap();
            let result = place.comes_from(text.parse().unwrap(), 0).map(|_| ());
            (place, result)
        };
        let (_first, taken) = from("192.0.2.1");
        assert_eq!(taken, Ok(()));
        assert_eq!(from("192.0.2.1").1, Err(Rejection::Address));
        assert_eq!(from("::ffff:192.0.2.1").1, Err(Rejection::Address));
        assert_eq!(from("192.0.2.2").1, Ok(()));
        let (_second, taken) = from("2001:db8:1:1::1");
        assert_eq!(taken, Ok(()));
        assert_eq!(from("2001:db8:1:1:ffff::9").1, Err(Rejection::Address));
        assert_eq!(from("2001:db8:1:2::1").1, Ok(()));
    }

    #[test]
    fn a_res_01_an_address_that_floods_leaves_everybody_else_their_new_connections() {
        for proxied in [false, true] {
            let limits =
                Limits { connections_per_address_per_minute: 2, connections_per_second_total: 1, ..Limits::default() };
            let door = door(limits);
            let comes = |address: [u8; 4]| {
                let mut place = door.enter((!proxied).then_some(address.into()), 0)?;
                if proxied {
                    place.comes_from(address.into(), 0)?;
                }
                Ok(place)
            };
            // Four seconds' worth for all, two of them for one address; whatever more it tries, two are left.
            let tried: Vec<_> = (0..100).filter_map(|_| comes([192, 0, 2, 1]).err()).collect();
            assert_eq!(tried, [Rejection::Rate; 98], "proxied: {proxied}");
            let others: Vec<_> = (2..5).map(|last| comes([192, 0, 2, last]).map(|_| ())).collect();
            assert_eq!(others, [Ok(()), Ok(()), Err(Rejection::TotalRate)], "proxied: {proxied}");
        }
    }

    #[test]
    fn a_res_01_those_who_say_nothing_do_not_take_all_places() {
        let door = door(Limits { opening_max: 2, ..Limits::default() });
        let mut places: Vec<_> = (0..2).map(|_| door.enter(None, 0).unwrap()).collect();
        assert_eq!(door.enter(None, 0).err(), Some(Rejection::Opening));
        places[0].opened();
        places[0].opened();
        assert!(door.enter(None, 0).is_ok());
    }
}
