//! Protections that a run can be told to leave out. A scenario that passes without the protection that it checks proves
//! nothing.

/// A protection that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sabotage {
    /// A device that lost its connection does not come back.
    SkipRetry,
    /// A device forgets its outbox when its connection breaks.
    DropOutboxOnError,
    /// The relay acknowledges what a crash can still take back.
    AckBeforeCommit,
    /// A device's disk keeps the cursor of a step when a crash takes the rest of it.
    AdvanceCursorBeforeApply,
    /// A device's disk loses the last step although what followed from it was sent.
    SendBeforeCommit,
    /// An end goes on with a handshake after a message of it was refused, and starts again until something fits.
    KeepHandshakeAfterError,
    /// An end of a session accepts a record again.
    AcceptReplays,
    /// An end pads or cuts a message to the size that it expects.
    SkipLengthCheck,
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
