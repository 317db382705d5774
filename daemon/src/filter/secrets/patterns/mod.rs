//! The maintained set of what a secret in a command looks like: a row for each kind, in groups by where it stands.
//!
//! A row's example and look-alike are templates (`{a36}` and the like, filled by `secrets/template.rs`), so that no
//! string here is a secret or looks like one to a scanner of repositories. Each is tested: the example must be found
//! by this very row, the look-alike by none.

mod assignments;
mod headers;
mod options;
mod vendors;

/// One kind of secret.
pub(crate) struct Pattern {
    /// A name that stays, for tests and bug reports.
    pub(crate) id: &'static str,
    /// What it is, in a few words.
    pub(crate) what: &'static str,
    /// Texts of which at least one is in every command that can match, in small letters. Looked for before anything
    /// else, whatever their case, so that ordinary commands cost one pass.
    pub(crate) needles: &'static [&'static str],
    /// The expression. The group `s` is the secret, `t` to `w` if there are more ways; without one, the whole match is. A
    /// quote in that group stands for all that it quotes; a group at the end of the match is the first piece of a secret
    /// that goes on as far as the quotes around it say, and of one named `rest` to their end.
    /// An empty group `run` stands before the name of a program that must be run, not named.
    pub(crate) regex: &'static str,
    /// What the secret must also be.
    pub(crate) proof: Proof,
    /// A command that it must find.
    pub(crate) example: &'static str,
    /// A command that nothing may find, although it is near.
    pub(crate) lookalike: &'static str,
}

/// What a text in a secret's place must be to count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing more: its form says it all.
    Form,
    /// Anything but a variable, a path, or a word that stands for a secret, such as `password`.
    Value,
    /// Also long, and as mixed as chance makes it.
    Random,
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Pattern> {
    [vendors::PATTERNS, headers::PATTERNS, options::PATTERNS, assignments::PATTERNS].into_iter().flatten()
}
