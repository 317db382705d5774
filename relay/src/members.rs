//! Who may connect: the rules by which one device list follows another. Only the account's key signs a list; each is
//! one version after the last and names it by hash, so that a relay cannot be talked back to an older one, nor two
//! devices past each other. The check against the stored list happens inside the log's transaction ([`follows`]).

use caro_link::proof;
use caro_schema::{
    id::Hash,
    relay::{
        ErrorCode,
        list::{DeviceList, SignedList},
    },
};

/// Checks that a list is the account's own and gives it.
///
/// # Errors
/// [`ErrorCode::BadProof`] when another key signed it or it is not canonical.
pub fn verify(account: &Hash, signed: &SignedList) -> Result<DeviceList, ErrorCode> {
    proof::verify_list(account, signed).map_err(|_| ErrorCode::BadProof)
}

/// Whether a list may be an account's first.
pub fn is_first(list: &DeviceList) -> bool {
    list.version == 1 && list.prev == Hash([0; 32])
}

/// How a list stands to the one that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is the next one.
    Next,
    /// It is the one that is stored: a repeated request, its answer was lost.
    Same,
    /// Neither.
    OutOfStep,
}

/// Compares a verified list with the stored one.
pub fn follows(stored: &SignedList, stored_version: u64, next: &SignedList, next_list: &DeviceList) -> Step {
    if next.list == stored.list {
        return Step::Same;
    }
    let successor = stored_version.checked_add(1) == Some(next_list.version);
    if successor && next_list.prev == proof::list_hash(&stored.list) { Step::Next } else { Step::OutOfStep }
}

/// Whether a device is on a list.
pub fn lists(list: &DeviceList, device: &Hash) -> bool {
    list.keys.binary_search(device).is_ok()
}

#[cfg(test)]
mod tests {
    use caro_link::identity::Signer;

    use super::*;

    fn signed(version: u64, prev: Hash, keys: Vec<Hash>) -> (SignedList, DeviceList) {
        let list = DeviceList { version, prev, keys };
        (proof::sign_list(&Signer::from_seed(&[1; 32]), &list), list)
    }

    #[test]
    fn one_step_at_a_time_and_in_the_right_direction() {
        let (first, first_list) = signed(1, Hash([0; 32]), vec![Hash([1; 32])]);
        let after = proof::list_hash(&first.list);
        assert!(is_first(&first_list));
        let cases = [
            (signed(2, after, vec![]), Step::Next),
            (signed(1, Hash([0; 32]), vec![Hash([1; 32])]), Step::Same),
            (signed(1, Hash([0; 32]), vec![Hash([2; 32])]), Step::OutOfStep),
            (signed(3, after, vec![]), Step::OutOfStep),
            (signed(2, Hash([9; 32]), vec![]), Step::OutOfStep),
            (signed(u64::MAX, after, vec![]), Step::OutOfStep),
        ];
        for ((next, next_list), expected) in cases {
            assert_eq!(follows(&first, 1, &next, &next_list), expected);
        }
    }

    #[test]
    fn a_list_of_another_key_is_refused() {
        let (list, _) = signed(1, Hash([0; 32]), vec![]);
        let stranger = Hash(Signer::from_seed(&[2; 32]).public());
        assert_eq!(verify(&stranger, &list), Err(ErrorCode::BadProof));
    }
}
