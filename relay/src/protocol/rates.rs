//! How much may be asked in a time: by one device, by the devices of one account, by all; in messages and in bytes of cells.

use caro_schema::id::{Handle, Hash};

use crate::{
    limits::Limits,
    rate::{Bucket, Buckets, Rate},
};

/// Seconds' worth that may come at once.
const BURST_SECONDS: u32 = 4;

/// What the bytes are counted in. A bucket of single bytes would fill in less than a microsecond each.
const BYTES_COUNTED: u64 = 1_024;

/// All buckets.
pub(super) struct Rates {
    devices: Pair,
    accounts: Pair,
    total_messages: Bucket,
    total_bytes: Bucket,
    total_rates: (Rate, Rate),
}

/// Buckets of one kind, for messages and for bytes.
struct Pair {
    messages: Buckets,
    bytes: Buckets,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        let [devices, accounts, total] = rates(limits);
        Self {
            devices: Pair { messages: Buckets::new(devices.0), bytes: Buckets::new(devices.1) },
            accounts: Pair { messages: Buckets::new(accounts.0), bytes: Buckets::new(accounts.1) },
            total_messages: Bucket::default(),
            total_bytes: Bucket::default(),
            total_rates: total,
        }
    }

    /// Other limits from now on.
    pub(super) fn change(&mut self, limits: &Limits) {
        let [devices, accounts, total] = rates(limits);
        self.devices.change(devices);
        self.accounts.change(accounts);
        self.total_rates = total;
    }

    /// A message that counts as so many, and so many bytes.
    ///
    /// # Errors
    /// Milliseconds until it may come.
    pub(super) fn take(
        &mut self,
        device: &Hash,
        account: Option<&Handle>,
        (messages, bytes): (u32, u64),
        now_ms: u64,
    ) -> Result<(), u64> {
        let units = u32::try_from(bytes.div_ceil(BYTES_COUNTED)).unwrap_or(u32::MAX);
        self.devices.take(number(device.as_bytes()), messages, units, now_ms)?;
        if let Some(account) = account {
            self.accounts.take(number(account.as_bytes()), messages, units, now_ms)?;
        }
        let (message_rate, byte_rate) = self.total_rates;
        self.total_messages.take_many(messages, message_rate, now_ms)?;
        self.total_bytes.take_many(units, byte_rate, now_ms)
    }

    /// Forgets who has not asked for anything lately.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        for pair in [&mut self.devices, &mut self.accounts] {
            pair.messages.sweep(now_ms);
            pair.bytes.sweep(now_ms);
        }
    }
}

impl Pair {
    fn change(&mut self, (messages, bytes): (Rate, Rate)) {
        self.messages.change_rate(messages);
        self.bytes.change_rate(bytes);
    }

    fn take(&mut self, key: u64, messages: u32, units: u32, now_ms: u64) -> Result<(), u64> {
        self.messages.take_many(key, messages, now_ms)?;
        if units == 0 { Ok(()) } else { self.bytes.take_many(key, units, now_ms) }
    }
}

/// For devices, accounts and all; for messages and bytes.
fn rates(limits: &Limits) -> [(Rate, Rate); 3] {
    let bytes = |count: u64| {
        let units = u32::try_from(count.div_ceil(BYTES_COUNTED)).unwrap_or(u32::MAX);
        Rate::per_second(units, BURST_SECONDS)
    };
    let messages = |count: u32| Rate::per_second(count, BURST_SECONDS);
    [
        (messages(limits.messages_per_second), bytes(limits.bytes_per_second)),
        (messages(limits.messages_per_second_per_account), bytes(limits.bytes_per_second_per_account)),
        (messages(limits.messages_per_second_total), bytes(limits.bytes_per_second_total)),
    ]
}

/// A number in the rate limiter. A device may choose its key, and thereby whom it shares a bucket with: itself.
fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}
