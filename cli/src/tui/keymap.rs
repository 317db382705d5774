//! Which key does what: the table of emacs and vim keys, with the person's own in front of it. What an action does is in
//! `update`.
//!
//! The table is written in the same words as the configuration, so that what stands here can be copied there.

use super::{
    action::Action,
    condition::{Condition, Fact},
    key::{Key, parse_sequence},
};

/// Keys pressed one after the other, when that counts, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) keys: Vec<Key>,
    pub(crate) when: Condition,
    pub(crate) action: Action,
}

impl Binding {
    /// From words, as in the configuration.
    ///
    /// # Errors
    /// What of it means nothing, in a fragment of a sentence.
    pub(crate) fn parse(keys: &str, when: &str, action: &str) -> Result<Self, String> {
        let keys = parse_sequence(keys)
            .ok_or_else(|| format!("{keys:?} is no key{}", perhaps(Key::nearest_sequence(keys).as_deref())))?;
        let when = Condition::parse(when)
            .map_err(|word| format!("{word:?} is no condition{}", perhaps(Condition::nearest(&word))))?;
        let action = Action::named(action)
            .ok_or_else(|| format!("{action:?} is no action{}", perhaps(Action::nearest(action))))?;
        Ok(Self { keys, when, action })
    }
}

/// The nearest right word, for who mistyped one.
fn perhaps(word: Option<&str>) -> String {
    word.map(|word| format!("; perhaps \"{word}\"")).unwrap_or_default()
}

/// All bindings, the first that holds counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keymap(Vec<Binding>);

/// What keys mean that were pressed one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This.
    Does(Action),
    /// Something begins with them.
    Begins,
    /// Nothing.
    Nothing,
}

impl Keymap {
    /// The person's own bindings, then the built-in ones.
    pub(crate) fn new(own: Vec<Binding>) -> Self {
        let built_in = DEFAULTS.iter().filter_map(|(keys, when, action)| Binding::parse(keys, when, action).ok());
        Self(own.into_iter().chain(built_in).collect())
    }

    /// What these keys mean now. A key that the person took away means nothing, whatever the table says.
    pub(super) fn meaning(&self, keys: &[Key], is: impl Fn(Fact) -> bool) -> Meaning {
        let active = || self.0.iter().filter(|binding| binding.keys.starts_with(keys) && binding.when.holds(&is));
        match active().next() {
            None => Meaning::Nothing,
            Some(_) => match active().find(|binding| binding.keys.len() == keys.len()) {
                Some(Binding { action: Action::None, .. }) => Meaning::Nothing,
                Some(binding) => Meaning::Does(binding.action),
                None => Meaning::Begins,
            },
        }
    }

    /// The first keys that mean an action as things are now.
    pub(super) fn keys_of(&self, action: Action, is: impl Fn(Fact) -> bool) -> Option<&[Key]> {
        let bound = self.0.iter().filter(|binding| binding.action == action && binding.when.holds(&is));
        bound.map(|binding| &*binding.keys).find(|keys| self.meaning(keys, &is) == Meaning::Does(action))
    }

    /// All bindings, for the help.
    pub(super) fn all(&self) -> impl Iterator<Item = &Binding> {
        self.0.iter()
    }
}

/// Keys, condition and action, as in the configuration. What an open pane needs stands before what holds always.
pub(crate) const DEFAULTS: &[(&str, &str, &str)] = &[
    // What is open is closed before the screen is.
    ("esc", "pane-open", "close"),
    ("esc", "editing !vim-insert", "close"),
    ("esc", "vim-insert", "vim-normal"),
    ("esc", "context-open", "close"),
    ("esc", "", "leave"),
    ("ctrl-c", "", "leave"),
    ("ctrl-g", "pane-open", "close"),
    ("ctrl-g", "editing", "close"),
    ("ctrl-g", "context-open", "close"),
    ("ctrl-g", "", "leave"),
    ("q", "pane-open", "close"),
    ("q", "vim-normal", "leave"),
    // Taking.
    ("alt-enter", "editing", "new-line"),
    ("alt-enter", "", "run"),
    ("enter", "", "accept"),
    ("ctrl-m", "", "accept"),
    ("ctrl-j", "", "accept"),
    ("tab", "", "put"),
    ("alt-e", "", "edit"),
    ("ctrl-y", "", "copy"),
    ("y y", "vim-normal", "copy"),
    // Moving.
    ("down", "by-up-key best-chosen !pane-open", "leave"),
    ("ctrl-n", "by-up-key best-chosen !pane-open", "leave"),
    ("up", "", "up"),
    ("ctrl-p", "", "up"),
    ("k", "vim-normal", "up"),
    ("down", "", "down"),
    ("ctrl-n", "", "down"),
    ("j", "vim-normal", "down"),
    ("page-up", "", "page-up"),
    ("ctrl-b", "vim-normal", "page-up"),
    ("page-down", "", "page-down"),
    ("ctrl-f", "vim-normal", "page-down"),
    ("ctrl-u", "vim-normal", "half-page-up"),
    ("ctrl-d", "vim-normal", "half-page-down"),
    ("home", "", "best"),
    ("G", "vim-normal", "best"),
    ("end", "", "last"),
    ("g g", "vim-normal", "last"),
    // What is listed.
    ("ctrl-r", "", "next-scope"),
    ("ctrl-t", "", "next-mode"),
    ("alt-h", "", "toggle-host"),
    ("alt-s", "", "toggle-session"),
    ("alt-.", "", "toggle-directory"),
    ("alt-/", "", "toggle-subtree"),
    ("alt-r", "", "toggle-repository"),
    ("alt-x", "", "toggle-exit"),
    ("alt-a", "", "toggle-author"),
    ("alt-0", "", "clear-filters"),
    // More to see.
    ("ctrl-o", "details-open", "close"),
    ("ctrl-o", "", "details"),
    ("alt-c", "context-open", "close"),
    ("alt-c", "", "context"),
    ("alt-p", "", "preview"),
    ("alt-up", "", "preview-up"),
    ("alt-down", "", "preview-down"),
    ("f1", "help-open", "close"),
    ("f1", "", "help"),
    ("alt-?", "", "help"),
    ("?", "vim-normal", "help"),
    ("ctrl-l", "", "redraw"),
    // Marks and deletion.
    ("ctrl-space", "", "mark"),
    ("alt-m", "", "mark"),
    ("m", "vim-normal", "mark"),
    ("alt-n", "", "unmark-all"),
    ("ctrl-d", "editing", "delete-after"),
    ("ctrl-d", "", "delete-command"),
    ("d d", "vim-normal !editing", "delete-command"),
    ("alt-d", "editing", "delete-word-after"),
    ("alt-d", "", "delete-run"),
    ("ctrl-z", "", "undo"),
    ("ctrl-_", "", "undo"),
    ("u", "vim-normal", "undo"),
    // The line.
    ("left", "", "left"),
    ("ctrl-b", "", "left"),
    ("h", "vim-normal", "left"),
    ("right", "", "right"),
    ("ctrl-f", "", "right"),
    ("l", "vim-normal", "right"),
    ("ctrl-left", "", "word-left"),
    ("alt-left", "", "word-left"),
    ("alt-b", "", "word-left"),
    ("b", "vim-normal", "word-left"),
    ("ctrl-right", "", "word-right"),
    ("alt-right", "", "word-right"),
    ("alt-f", "", "word-right"),
    ("w", "vim-normal", "word-right"),
    ("e", "vim-normal", "word-right"),
    ("ctrl-a", "", "start"),
    ("0", "vim-normal", "start"),
    ("^", "vim-normal", "start"),
    ("ctrl-e", "", "end"),
    ("$", "vim-normal", "end"),
    ("backspace", "vim-normal", "left"),
    ("backspace", "", "delete-before"),
    ("ctrl-h", "", "delete-before"),
    ("X", "vim-normal", "delete-before"),
    ("delete", "", "delete-after"),
    ("x", "vim-normal", "delete-after"),
    ("ctrl-w", "", "delete-word-before"),
    ("alt-backspace", "", "delete-word-before"),
    ("d b", "vim-normal", "delete-word-before"),
    ("alt-delete", "", "delete-word-after"),
    ("d w", "vim-normal", "delete-word-after"),
    ("ctrl-u", "", "delete-to-start"),
    ("d 0", "vim-normal", "delete-to-start"),
    ("ctrl-k", "", "delete-to-end"),
    ("D", "vim-normal", "delete-to-end"),
    ("d d", "vim-normal editing", "delete-line"),
    ("alt-y", "", "yank"),
    ("p", "vim-normal", "yank"),
    ("i", "vim-normal", "vim-insert"),
    ("/", "vim-normal", "vim-change-line"),
    ("a", "vim-normal", "vim-append"),
    ("I", "vim-normal", "vim-insert-start"),
    ("A", "vim-normal", "vim-append-end"),
    ("c w", "vim-normal", "vim-change-word"),
    ("C", "vim-normal", "vim-change-to-end"),
    ("c c", "vim-normal", "vim-change-line"),
    ("S", "vim-normal", "vim-change-line"),
];

#[cfg(test)]
mod tests {
    use super::{super::action::ALL, *};

    fn keys(text: &str) -> Vec<Key> {
        parse_sequence(text).expect(text)
    }

    #[test]
    fn every_line_of_the_table_can_be_read() {
        for (keys, when, action) in DEFAULTS {
            let binding = Binding::parse(keys, when, action);
            assert!(binding.is_ok(), "{binding:?}");
        }
        assert_eq!(Keymap::new(Vec::new()).0.len(), DEFAULTS.len());
    }

    #[test]
    fn no_line_of_the_table_stands_twice() {
        for (index, (keys, when, _)) in DEFAULTS.iter().enumerate() {
            let again = DEFAULTS[index + 1..].iter().any(|(also, same, _)| (keys, when) == (also, same));
            assert!(!again, "{keys} {when}");
        }
    }

    #[test]
    fn every_action_but_one_has_a_key() {
        for (action, name, ..) in ALL {
            // Moving by half a screenful and the like are vim's alone, but a key they have.
            let bound = DEFAULTS.iter().any(|(_, _, bound)| bound == name);
            assert_eq!(bound, *action != Action::None, "{name}");
        }
    }

    #[test]
    fn the_first_binding_that_holds_counts() {
        let keymap = Keymap::new(Vec::new());
        let esc = keys("esc");
        assert_eq!(keymap.meaning(&esc, |_| false), Meaning::Does(Action::Leave));
        assert_eq!(keymap.meaning(&esc, |fact| fact == Fact::PaneOpen), Meaning::Does(Action::Close));
        assert_eq!(keymap.meaning(&esc, |fact| fact == Fact::VimInsert), Meaning::Does(Action::VimNormal));
    }

    #[test]
    fn keys_one_after_the_other() {
        let keymap = Keymap::new(Vec::new());
        let vim = |fact| fact == Fact::VimNormal;
        assert_eq!(keymap.meaning(&keys("g"), vim), Meaning::Begins);
        assert_eq!(keymap.meaning(&keys("g g"), vim), Meaning::Does(Action::Last));
        assert_eq!(keymap.meaning(&keys("g x"), vim), Meaning::Nothing);
        assert_eq!(keymap.meaning(&keys("g"), |_| false), Meaning::Nothing);
    }

    #[test]
    fn a_persons_own_keys_come_first_and_can_take_one_away() {
        let own = vec![
            Binding::parse("ctrl-r", "query-empty", "details").expect("a binding"),
            Binding::parse("ctrl-d", "", "none").expect("a binding"),
        ];
        let keymap = Keymap::new(own);
        assert_eq!(keymap.meaning(&keys("ctrl-r"), |fact| fact == Fact::QueryEmpty), Meaning::Does(Action::Details));
        assert_eq!(keymap.meaning(&keys("ctrl-r"), |_| false), Meaning::Does(Action::NextScope));
        assert_eq!(keymap.meaning(&keys("ctrl-d"), |_| false), Meaning::Nothing);
        assert_eq!(keymap.keys_of(Action::DeleteCommand, |_| false), None);
        assert_eq!(keymap.keys_of(Action::NextScope, |_| false), Some(&*keys("ctrl-r")));
    }

    #[test]
    fn what_is_no_binding_says_what_of_it_is_wrong() {
        for (binding, expected) in [
            (("strg-x", "", "up"), "\"strg-x\" is no key"),
            (("x", "moon", "up"), "\"moon\" is no condition"),
            (("x", "", "fly"), "\"fly\" is no action"),
        ] {
            let (keys, when, action) = binding;
            assert_eq!(Binding::parse(keys, when, action), Err(expected.to_owned()));
        }
    }
}
