//! Whether whoever matches one query is bound to match another: then only what the other found has to be looked at.
//!
//! Who types on asks for less, most often but not always: `!g` asks for more than `!` did, and `a | b` for more than `a`.
//! So this compares what the queries mean, never how they are written, and says no where it cannot tell.

use caro_schema::ipc::terms::{Term, TermKind};

use crate::history::fold_char;

/// Alternatives, one of which a command must match. A query is a list of these, all of which must hold.
pub(super) type Group = Vec<Term>;

/// Whether every command that matches all of `new` matches all of `old`.
pub(super) fn is_narrower(new: &[Group], old: &[Group]) -> bool {
    old.iter().all(|old| new.iter().any(|new| implies(new, old)))
}

/// Whether every command that matches one of `one` matches one of `other`.
pub(super) fn implies(one: &Group, other: &Group) -> bool {
    one.iter().all(|one| other.iter().any(|other| term_implies(one, other)))
}

/// Whether what a command loses in `old` it loses in `new` as well: words were typed on at their ends, and others behind them.
pub(super) fn goes_on(new: &[Group], old: &[Group]) -> bool {
    old.len() <= new.len() && old.iter().zip(new).all(|(old, new)| old == new || is_typed_on(new, old))
}

fn is_typed_on(new: &Group, old: &Group) -> bool {
    let is_loose = |term: &Term| term.kind == TermKind::Loose && !term.negated;
    matches!((&new[..], &old[..]), ([new], [old]) if is_loose(new) && is_loose(old) && new.text.starts_with(&old.text))
}

fn term_implies(one: &Term, other: &Term) -> bool {
    match (one.negated, other.negated) {
        (false, false) => holds(one, other),
        // Not having a part is less than not having the whole.
        (true, true) => holds(other, one),
        _ => false,
    }
}

/// Whether a text for which `one` holds is one for which `other` holds, both without their negations.
fn holds(one: &Term, other: &Term) -> bool {
    use TermKind::{End, Exact, Loose, Start, Whole};
    let (has, needs): (Vec<char>, Vec<char>) = (one.text.chars().collect(), other.text.chars().collect());
    match (one.kind, other.kind) {
        (_, Loose) => {
            let mut letters = has.iter();
            needs.iter().all(|need| letters.any(|has| is_enough(*has, *need)))
        }
        (Loose, _) => false,
        (_, Exact) => needs.len() <= has.len() && (0..=has.len() - needs.len()).any(|at| is_at(&has[at..], &needs)),
        (Start | Whole, Start) => is_at(&has, &needs),
        (End | Whole, End) => has.len().checked_sub(needs.len()).is_some_and(|at| is_at(&has[at..], &needs)),
        (Whole, Whole) => has.len() == needs.len() && is_at(&has, &needs),
        _ => false,
    }
}

fn is_at(has: &[char], needs: &[char]) -> bool {
    needs.len() <= has.len() && needs.iter().zip(has).all(|(need, has)| is_enough(*has, *need))
}

/// Whether what matches one typed letter matches another: a capital matches itself alone, and that its small letter too.
fn is_enough(has: char, need: char) -> bool {
    has == need || fold_char(has) == need
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::pattern::groups;

    fn narrows(new: &str, old: &str) -> bool {
        is_narrower(&groups(new), &groups(old))
    }

    #[test]
    fn who_types_on_mostly_asks_for_less() {
        for (new, old) in [
            ("git", ""),
            ("git", "gi"),
            ("git p", "git"),
            ("xgit", "git"),
            ("Git", "git"),
            ("^git", "git"),
            ("^git", "^gi"),
            ("git$", "it$"),
            ("^git$", "^gi"),
            ("^git$", "git$"),
            ("'git", "gt"),
            ("'git", "'it"),
            ("!git", "!gitx"),
            ("!git x", "!git"),
            ("!^git", "!^gitx"),
            ("a", "a | b"),
            ("ac | bc", "a | b"),
            ("a |", "a"),
            ("b a", "a b"),
        ] {
            assert!(narrows(new, old), "{new} narrows {old}");
        }
    }

    #[test]
    fn and_where_it_does_not_everything_is_looked_at() {
        for (new, old) in [
            ("", "g"),
            ("gi", "git"),
            ("git", "Git"),
            ("git", "'gt"),
            ("git", "'git"),
            ("'git", "^git"),
            ("gi$x", "gi$"),
            ("!gitx", "!git"),
            ("!g", "g"),
            ("g", "!g"),
            ("a | b", "a"),
            ("a | !c", "a | !cd e"),
            (r"a\ b", r"a\"),
        ] {
            assert!(!narrows(new, old), "{new} does not narrow {old}");
        }
    }
}
