//! Identifiers. Each is a fixed number of bytes with a type of its own, and none has a printable form unless
//! [`hex`](OpId::hex) is called, so that a log cannot tell one account, device or cell from another.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// From a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Lower-case hexadecimal, for a person's own screen; never for a log.
            pub fn hex(&self) -> String {
                hex::encode(self.0)
            }

            /// From what [`Self::hex`] gives.
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).ok()?;
                Some(Self(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([REDACTED])"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{} bytes", $len)
                    }

                    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        $name::from_slice(bytes).ok_or_else(|| E::custom("wrong length"))
                    }
                }
                deserializer.deserialize_bytes(Visitor)
            }
        }
    };
}

id!(
    /// An op: BLAKE3 of its canonical header, domain separated.
    OpId, 32
);
id!(
    /// A sealed cell: BLAKE3 of its sealed bytes. A relay's address for it, and what makes a retry harmless.
    CellId, 32
);
id!(
    /// A device: its Ed25519 public key.
    DeviceId, 32
);
id!(
    /// An account, as its own devices know it: a hash of the account's signing key. Never sent in clear.
    Dataset, 32
);
id!(
    /// An account, as one relay knows it. Two relays cannot match theirs.
    Handle, 16
);
id!(
    /// One recorded command. Random when recorded live; from the content when imported, so that importing twice adds nothing.
    RecordId, 16
);
id!(
    /// One life of a relay's database. A relay restored from a backup starts a new one.
    Generation, 16
);
id!(
    /// A relay's public key (X25519), part of its address.
    RelayKey, 32
);
id!(
    /// Which key sealed a cell.
    KeyId, 8
);
id!(
    /// A signature (Ed25519).
    Signature, 64
);
id!(
    /// A 32-byte hash that is none of the above.
    Hash, 32
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn trap_40_an_id_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", CellId([7; 32])), "CellId([REDACTED])");
    }

    #[test]
    fn an_id_of_the_wrong_length_is_refused() {
        let bytes = codec::encode(&Handle([1; 16]));
        assert_eq!(codec::decode::<Handle>(&bytes), Ok(Handle([1; 16])));
        assert!(codec::decode::<OpId>(&bytes).is_err());
    }

    #[test]
    fn hex_there_and_back() {
        let id = RecordId([0xab; 16]);
        assert_eq!(RecordId::from_hex(&id.hex()), Some(id));
        assert_eq!(RecordId::from_hex("ab"), None);
    }
}
