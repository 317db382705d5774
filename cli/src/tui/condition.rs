//! When a key has its meaning: words that hold or do not hold, such as `query-empty` or `!vim-normal`.

use caro_schema::settings::nearest_word;

/// What may be asked of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    QueryEmpty,
    ListEmpty,
    CursorAtStart,
    CursorAtEnd,
    BestChosen,
    LastChosen,
    Marked,
    Emacs,
    VimInsert,
    VimNormal,
    PaneOpen,
    HelpOpen,
    DetailsOpen,
    ContextOpen,
    Editing,
    ByUpKey,
    Inline,
}

/// The names of the facts.
pub(crate) const FACTS: [(&str, Fact, &str); 17] = [
    ("query-empty", Fact::QueryEmpty, "nothing is typed"),
    ("list-empty", Fact::ListEmpty, "nothing matches"),
    ("cursor-at-start", Fact::CursorAtStart, "the cursor is at the start of the line"),
    ("cursor-at-end", Fact::CursorAtEnd, "the cursor is at the end of the line"),
    ("best-chosen", Fact::BestChosen, "the best match is chosen"),
    ("last-chosen", Fact::LastChosen, "the last one is chosen"),
    ("marked", Fact::Marked, "some commands are marked"),
    ("emacs", Fact::Emacs, "screen.keys_mode is emacs"),
    ("vim-insert", Fact::VimInsert, "vim's insert mode"),
    ("vim-normal", Fact::VimNormal, "vim's normal mode"),
    ("pane-open", Fact::PaneOpen, "the help or the details are open"),
    ("help-open", Fact::HelpOpen, "the help is open"),
    ("details-open", Fact::DetailsOpen, "the details are open"),
    ("context-open", Fact::ContextOpen, "the list shows a session"),
    ("editing", Fact::Editing, "a command is being edited"),
    ("by-up-key", Fact::ByUpKey, "the screen was opened by the up key"),
    ("inline", Fact::Inline, "the screen is inline"),
];

/// Facts that must hold, or must not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition(Vec<(Fact, bool)>);

impl Condition {
    /// Reads facts between blanks, each with `!` in front if it must not hold.
    ///
    /// # Errors
    /// The word that is none.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fact = |word: &str| {
            let (name, wanted) = word.strip_prefix('!').map_or((word, true), |name| (name, false));
            let known = FACTS.iter().find(|(known, ..)| *known == name);
            known.map(|(_, fact, _)| (*fact, wanted)).ok_or_else(|| word.to_owned())
        };
        text.split_whitespace().map(fact).collect::<Result<_, _>>().map(Self)
    }

    /// The word that was probably meant.
    pub(super) fn nearest(word: &str) -> Option<&'static str> {
        nearest_word(&word.trim_start_matches('!').to_lowercase(), FACTS.iter().map(|(known, ..)| *known))
    }

    /// Whether all is as it must be.
    pub(crate) fn holds(&self, is: impl Fn(Fact) -> bool) -> bool {
        self.0.iter().all(|(fact, wanted)| is(*fact) == *wanted)
    }

    /// Whether it can only hold when this does.
    pub(crate) fn needs(&self, fact: Fact) -> bool {
        self.0.contains(&(fact, true))
    }

    /// As it is written.
    pub(crate) fn words(&self) -> String {
        let word = |(fact, wanted): &(Fact, bool)| {
            let name = FACTS.iter().find(|(_, known, _)| known == fact).map_or("", |(name, ..)| *name);
            if *wanted { name.to_owned() } else { format!("!{name}") }
        };
        self.0.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_holds_when_all_its_facts_are_as_it_says() {
        let condition = Condition::parse("query-empty !vim-normal").expect("a condition");
        assert!(condition.holds(|fact| fact == Fact::QueryEmpty));
        assert!(!condition.holds(|fact| fact == Fact::VimNormal));
        assert!(!condition.holds(|_| true));
        assert_eq!(condition.words(), "query-empty !vim-normal");
        assert!(condition.needs(Fact::QueryEmpty) && !condition.needs(Fact::VimNormal));
        assert!(Condition::default().holds(|_| false), "without words it always holds");
        assert_eq!(Condition::parse("query-empty moon"), Err("moon".to_owned()));
    }
}
