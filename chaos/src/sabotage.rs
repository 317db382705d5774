//! Protections that a run can be told to leave out. A scenario that passes without the protection that it checks proves
//! nothing.
//!
//! A switch stands in the test's own harness, never in a product: what an end without the protection would do is done in
//! its place, around the real code. So no program can be built without its protections, whatever features are chosen.

/// A protection that is missing. The names are those of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sabotage {
    /// A device that lost its connection does not come back.
    SkipRetry,
    /// A device forgets its outbox when its connection breaks.
    DropOutboxOnError,
    /// The relay acknowledges what a crash can still take back.
    AckBeforeCommit,
    /// A disk loses the last write although what followed from it was sent.
    NoFsync,
    /// A session of which the connection is gone is kept.
    LeakSession,
    /// Nobody asks whether the other side is still there.
    NoKeepalive,
    /// A handshake may take for ever.
    NoHandshakeDeadline,
    /// A cursor is given out before the cell is there.
    CursorOutsideTx,
    /// A device takes the cursor of its own push for how far it has pulled.
    CursorFromOwnAck,
    /// A page leaves its last entry out and says that there is no more.
    PageOffByOne,
    /// A device's disk keeps the cursor of a step when a crash takes the rest of it.
    AdvanceCursorBeforeApply,
    /// What cannot be opened or placed yet is thrown away.
    SkipUndecryptable,
    /// An end goes on with a handshake after a message of it was refused, and starts again until something fits.
    KeepHandshakeAfterError,
    /// An end takes whichever message comes for the one that is due.
    AcceptAnyOrder,
    /// An end makes room for whatever a length announces.
    AllocFromLength,
    /// A session comes about without the post-quantum half.
    AcceptX25519Only,
    /// An end pads or cuts a message to the size that it expects.
    SkipLengthCheck,
    /// An end takes points whose result everybody knows.
    SkipPointCheck,
    /// An end takes ML-KEM keys with coefficients out of range.
    SkipModulusCheck,
    /// An end takes what its key did not authenticate.
    SkipTagCheck,
    /// An end of a session takes a record again.
    NoReplayWindow,
    /// Every seal of a key uses one nonce.
    FixedNonce,
    /// Nobody looks whether a cell was sealed under the key that it names.
    SkipCommitment,
    /// An end takes nothing for an error.
    RejectEmpty,
    /// A device does not compare a cell with the hash that it is known by.
    SkipCellHash,
    /// A cell that ends early is filled up with zeroes.
    AcceptShortCell,
    /// A collection counts as whole because its list says so.
    TrustManifest,
    /// Limits are not looked at.
    NoLimits,
    /// A queue takes whatever is put into it.
    UnboundedQueue,
    /// Everybody comes back at the same moment.
    NoJitter,
    /// Without randomness a constant will do.
    WeakRngFallback,
    /// What is not known ends the program.
    PanicOnUnknown,
    /// What needs something that is missing is applied all the same.
    ApplyOrphans,
    /// Ids are written to logs as they are.
    LogRawIds,
    /// What is kept is not sealed.
    StorePlaintext,
    /// Two ops of one author with one number are no news.
    IgnoreFork,
    /// A device follows a relay that shows an older past than before.
    AcceptRollback,
    /// One cursor for all relays.
    SharedCursorAcrossRelays,
    /// Storage that is busy for a moment ends the program.
    BusyIsFatal,
    /// Pauses are measured with the wall clock.
    MonotonicFromWallClock,
    /// Paths and texts are rewritten as the own system writes them.
    NativePathBytes,
    /// A session that has ended is not opened again.
    NoReconnect,
    /// An end takes any key for the relay's.
    AcceptAnyRelay,
}

impl Sabotage {
    /// As on the command line.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        for (sabotage, name) in [
            (Sabotage::SkipRetry, "skip_retry"),
            (Sabotage::AcceptX25519Only, "accept_x25519_only"),
            (Sabotage::CursorOutsideTx, "cursor_outside_tx"),
        ] {
            assert_eq!(sabotage.name(), name);
        }
    }
}
