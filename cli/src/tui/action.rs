//! Everything that a key can be bound to: a name for the configuration, and a sentence for the help. What an action does
//! is in `update`.

use caro_schema::settings::nearest_word;

/// Something that the screen can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    HalfPageUp,
    HalfPageDown,
    Best,
    Last,
    Accept,
    Put,
    Run,
    Edit,
    Leave,
    Mark,
    UnmarkAll,
    Copy,
    DeleteRun,
    DeleteCommand,
    Undo,
    Details,
    Context,
    Help,
    Close,
    Preview,
    PreviewUp,
    PreviewDown,
    NextScope,
    NextMode,
    ToggleHost,
    ToggleSession,
    ToggleDirectory,
    ToggleSubtree,
    ToggleRepository,
    ToggleExit,
    ToggleAuthor,
    ClearFilters,
    Left,
    Right,
    WordLeft,
    WordRight,
    Start,
    End,
    DeleteBefore,
    DeleteAfter,
    DeleteWordBefore,
    DeleteWordAfter,
    DeleteToStart,
    DeleteToEnd,
    DeleteLine,
    Yank,
    NewLine,
    VimNormal,
    VimInsert,
    VimAppend,
    VimInsertStart,
    VimAppendEnd,
    VimChangeWord,
    VimChangeToEnd,
    VimChangeLine,
    Redraw,
    None,
}

/// Where an action stands in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// What to do with a command.
    Take,
    /// Moving in the list.
    Move,
    /// What is listed.
    Narrow,
    /// More to see.
    See,
    /// Marks and deletion.
    Change,
    /// The line.
    Line,
    /// Not in the help.
    Hidden,
}

use Action as A;
use Group as G;

/// Every action with its name and what it does.
pub(crate) const ALL: &[(Action, &str, Group, &str)] = &[
    (A::Accept, "accept", G::Take, "take the command: put it on the prompt or run it, as configured"),
    (A::Put, "put", G::Take, "put it on the prompt"),
    (A::Run, "run", G::Take, "run it; several lines and destructive commands ask first"),
    (A::Edit, "edit", G::Take, "edit it here first"),
    (A::Copy, "copy", G::Take, "copy it to the clipboard"),
    (A::Leave, "leave", G::Take, "leave, with the prompt as it was"),
    (A::Up, "up", G::Move, "one up"),
    (A::Down, "down", G::Move, "one down"),
    (A::PageUp, "page-up", G::Move, "a screenful up"),
    (A::PageDown, "page-down", G::Move, "a screenful down"),
    (A::HalfPageUp, "half-page-up", G::Move, "half a screenful up"),
    (A::HalfPageDown, "half-page-down", G::Move, "half a screenful down"),
    (A::Best, "best", G::Move, "to the best match"),
    (A::Last, "last", G::Move, "to the last one"),
    (A::NextScope, "next-scope", G::Narrow, "look elsewhere: everywhere, host, repository, directory, session"),
    (A::NextMode, "next-mode", G::Narrow, "read what is typed in another way: fuzzy, words, beginning, regex"),
    (A::ToggleHost, "toggle-host", G::Narrow, "only this host"),
    (A::ToggleSession, "toggle-session", G::Narrow, "only this session"),
    (A::ToggleDirectory, "toggle-directory", G::Narrow, "only exactly this directory"),
    (A::ToggleSubtree, "toggle-subtree", G::Narrow, "only this directory and below"),
    (A::ToggleRepository, "toggle-repository", G::Narrow, "only this repository"),
    (A::ToggleExit, "toggle-exit", G::Narrow, "only what failed, only what went well, both"),
    (A::ToggleAuthor, "toggle-author", G::Narrow, "only what you typed, only what an assistant made, both"),
    (A::ClearFilters, "clear-filters", G::Narrow, "no filter"),
    (A::Details, "details", G::See, "all runs of the command: where, how often, what came before and after"),
    (A::Context, "context", G::See, "what ran around it in its session, and back"),
    (A::Preview, "preview", G::See, "show or hide the preview"),
    (A::PreviewUp, "preview-up", G::See, "scroll the preview up"),
    (A::PreviewDown, "preview-down", G::See, "scroll the preview down"),
    (A::Help, "help", G::See, "all keys"),
    (A::Close, "close", G::See, "close what is open"),
    (A::Redraw, "redraw", G::See, "draw anew, and ask again"),
    (A::Mark, "mark", G::Change, "mark it, to take several at once"),
    (A::UnmarkAll, "unmark-all", G::Change, "take all marks away"),
    (A::DeleteCommand, "delete-command", G::Change, "delete all runs of this command, on every device"),
    (A::DeleteRun, "delete-run", G::Change, "delete only this run"),
    (A::Undo, "undo", G::Change, "take the last deletion back"),
    (A::Left, "left", G::Line, "a letter left"),
    (A::Right, "right", G::Line, "a letter right"),
    (A::WordLeft, "word-left", G::Line, "a word left"),
    (A::WordRight, "word-right", G::Line, "a word right"),
    (A::Start, "start", G::Line, "to the start of the line"),
    (A::End, "end", G::Line, "to the end of the line"),
    (A::DeleteBefore, "delete-before", G::Line, "delete the letter before"),
    (A::DeleteAfter, "delete-after", G::Line, "delete the letter after"),
    (A::DeleteWordBefore, "delete-word-before", G::Line, "cut the word before"),
    (A::DeleteWordAfter, "delete-word-after", G::Line, "cut the word after"),
    (A::DeleteToStart, "delete-to-start", G::Line, "cut to the start"),
    (A::DeleteToEnd, "delete-to-end", G::Line, "cut to the end"),
    (A::DeleteLine, "delete-line", G::Line, "cut the line"),
    (A::Yank, "yank", G::Line, "put back what was cut"),
    (A::NewLine, "new-line", G::Line, "a new line, while a command is edited"),
    (A::VimNormal, "vim-normal", G::Line, "to vim's normal mode"),
    (A::VimInsert, "vim-insert", G::Line, "to vim's insert mode"),
    (A::VimAppend, "vim-append", G::Line, "to insert mode after the letter"),
    (A::VimInsertStart, "vim-insert-start", G::Line, "to insert mode at the start"),
    (A::VimAppendEnd, "vim-append-end", G::Line, "to insert mode at the end"),
    (A::VimChangeWord, "vim-change-word", G::Line, "cut the word after, and to insert mode"),
    (A::VimChangeToEnd, "vim-change-to-end", G::Line, "cut to the end, and to insert mode"),
    (A::VimChangeLine, "vim-change-line", G::Line, "cut the line, and to insert mode"),
    (A::None, "none", G::Hidden, "nothing: takes a key away"),
];

impl Action {
    /// By its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, known, ..)| *known == name).map(|(action, ..)| *action)
    }

    /// The name that was probably meant.
    pub(super) fn nearest(name: &str) -> Option<&'static str> {
        nearest_word(&name.to_lowercase(), ALL.iter().map(|(_, known, ..)| *known))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_action_has_one_name_and_a_sentence() {
        let names: HashSet<&str> = ALL.iter().map(|(_, name, ..)| *name).collect();
        let actions: HashSet<Action> = ALL.iter().map(|(action, ..)| *action).collect();
        assert_eq!((names.len(), actions.len()), (ALL.len(), ALL.len()));
        // The last variant's number is one less than their count.
        assert_eq!(ALL.len(), Action::None as usize + 1, "an action without a name can be bound to no key");
        for (action, name, _, words) in ALL {
            assert_eq!(Action::named(name), Some(*action));
            assert!(!words.is_empty() && !words.ends_with('.'), "{name}");
        }
        assert_eq!(Action::named("fly"), None);
    }
}
