//! What keys must not be able to do, asked of the compiler: no key comes from nothing (trap 25), none is copied, none
//! is written out by a derive, and what they are made of wipes itself.

use std::fs;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::vault::{
    DeviceKeys, Phrase, RootKey, Vault,
    account_key::AccountKey,
    at_rest::{DeviceMasterKey, Passphrase, StoreKey},
    cell_key::CellKey,
    epoch_key::EpochKey,
    key_log_key::KeyLogKey,
    key_ring::KeyRing,
    relay_account_key::RelayAccountKey,
    secret::Secret,
    state::VaultState,
};

/// Fails to compile when a type has the trait: with it, there are two ways to fill in the blank.
macro_rules! none_is {
    ($trait:path: $($type:ty),+ $(,)?) => {$({
        trait Blank<Way> {
            fn fill() {}
        }
        struct Second;
        impl<T> Blank<()> for T {}
        impl<T: $trait> Blank<Second> for T {}
        let _ = <$type as Blank<_>>::fill;
    })+};
}

macro_rules! no_key_is {
    ($($trait:path),+ $(,)?) => {$(
        none_is!(
            $trait: Secret, Phrase, RootKey, AccountKey, RelayAccountKey, CellKey, EpochKey, KeyLogKey, KeyRing,
            DeviceKeys, Vault, VaultState, DeviceMasterKey, StoreKey, Passphrase,
        );
    )+};
}

#[test]
fn trap_25_no_key_comes_from_nothing_is_copied_or_written_out_by_a_derive() {
    no_key_is!(Default, Clone, serde::Serialize, std::fmt::Display, std::hash::Hash);
}

#[test]
fn trap_25_no_key_is_written_in_the_source() {
    let mut seen = 0;
    for folder in ["", "at_rest/"] {
        let folder = format!("{}/src/vault/{folder}", env!("CARGO_MANIFEST_DIR"));
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let product = source.split("#[cfg(test)]\nmod tests").next().unwrap();
            for maker in
                ["from_bytes", "copied", "from_seed", "from_seeds", "from_entropy", "generate", "EpochKey::new"]
            {
                for literal in ["(&[", "(b\"", "(&hex"] {
                    assert!(!product.contains(&format!("{maker}{literal}")), "{}: {maker}", path.display());
                }
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} files");
}

#[test]
fn xc001_what_keys_are_made_of_wipes_itself() {
    fn wiped<T: ZeroizeOnDrop>() {}
    wiped::<Secret>();
    wiped::<Secret<96>>();
    wiped::<Phrase>();
    wiped::<Passphrase>();
    wiped::<Zeroizing<Vec<u8>>>();
}
