//! What the person has chosen to look in, by keys: host, session, directory, how it ended, who typed it. What is typed in
//! the line as a filter comes on top, and is read in `query`.

use caro_schema::ipc::history::{ExitFilter, Filter, Place};

use crate::config::Scope;

/// What is looked in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Narrow {
    /// Only this host.
    pub(super) host: bool,
    /// Only this run of the shell.
    pub(super) session: bool,
    /// Only some directories.
    pub(super) folder: Option<Folder>,
    /// How it ended.
    pub(super) ended: Option<Ended>,
    /// Who made it.
    pub(super) author: Option<Author>,
}

/// Which directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folder {
    /// Exactly this one.
    Directory,
    /// This one and below.
    Subtree,
    /// All of the repository that this one is in.
    Repository,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Failed,
    Ok,
}

/// Who made a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    Me,
    Assistant,
}

impl Narrow {
    /// At the beginning. What means nothing here narrows nothing.
    pub(super) fn new(scope: Scope, place: &Place, repository: Option<&[u8]>) -> Self {
        let mut narrow = Self::default();
        if is_meant(scope, place, repository) {
            narrow.set(scope);
        }
        narrow
    }

    fn set(&mut self, scope: Scope) {
        self.host = scope == Scope::Host;
        self.session = scope == Scope::Session;
        self.folder = match scope {
            Scope::Directory => Some(Folder::Directory),
            Scope::Subtree => Some(Folder::Subtree),
            Scope::Repository => Some(Folder::Repository),
            Scope::All | Scope::Host | Scope::Session => None,
        };
    }

    fn scope(&self) -> Scope {
        match (self.session, self.folder, self.host) {
            (true, ..) => Scope::Session,
            (_, Some(Folder::Directory), _) => Scope::Directory,
            (_, Some(Folder::Subtree), _) => Scope::Subtree,
            (_, Some(Folder::Repository), _) => Scope::Repository,
            (_, _, true) => Scope::Host,
            _ => Scope::All,
        }
    }

    /// On to the next place to look in, the narrower ones later, those that mean nothing here left out.
    pub(super) fn next_scope(&mut self, place: &Place, repository: Option<&[u8]>) {
        let now = ROUND.iter().position(|scope| *scope == self.scope()).unwrap_or(0);
        let after = ROUND.iter().cycle().skip(now + 1);
        if let Some(scope) = after.take(ROUND.len()).find(|scope| is_meant(**scope, place, repository)) {
            self.set(*scope);
        }
    }

    /// On and off.
    pub(super) fn toggle_folder(&mut self, folder: Folder) {
        self.folder = if self.folder == Some(folder) { None } else { Some(folder) };
    }

    /// Failed, ok, both.
    pub(super) fn next_ended(&mut self) {
        self.ended = match self.ended {
            None => Some(Ended::Failed),
            Some(Ended::Failed) => Some(Ended::Ok),
            Some(Ended::Ok) => None,
        };
    }

    /// Me, an assistant, both.
    pub(super) fn next_author(&mut self) {
        self.author = match self.author {
            None => Some(Author::Me),
            Some(Author::Me) => Some(Author::Assistant),
            Some(Author::Assistant) => None,
        };
    }

    /// As the daemon takes it.
    pub(super) fn filter(&self, place: &Place, repository: Option<&[u8]>) -> Filter {
        let mut filter = Filter {
            host: self.host.then(|| place.host.clone()),
            session: self.session.then(|| place.session.clone()),
            ..Filter::default()
        };
        match self.folder {
            Some(Folder::Directory) => filter.directory = Some(place.directory.clone()),
            Some(Folder::Subtree) => filter.subtree = Some(place.directory.clone()),
            Some(Folder::Repository) => filter.repository = repository.map(|top| top.to_vec().into()),
            None => {}
        }
        filter.exit = self.ended.map(|ended| match ended {
            Ended::Failed => ExitFilter::Not(0),
            Ended::Ok => ExitFilter::Is(0),
        });
        filter.assistant = self.author.map(|author| author == Author::Assistant);
        filter
    }

    /// For the status line.
    pub(super) fn words(&self) -> Vec<&'static str> {
        let mut words = Vec::new();
        if self.host {
            words.push("this host");
        }
        if self.session {
            words.push("this session");
        }
        words.extend(self.folder.map(|folder| match folder {
            Folder::Directory => "this directory",
            Folder::Subtree => "here and below",
            Folder::Repository => "this repository",
        }));
        words.extend(self.ended.map(|ended| match ended {
            Ended::Failed => "failed",
            Ended::Ok => "went well",
        }));
        words.extend(self.author.map(|author| match author {
            Author::Me => "typed by you",
            Author::Assistant => "by an assistant",
        }));
        if !self.host && !self.session && self.folder.is_none() {
            words.insert(0, "everywhere");
        }
        words
    }
}

/// Whether looking there means anything for who is here.
fn is_meant(scope: Scope, place: &Place, repository: Option<&[u8]>) -> bool {
    match scope {
        Scope::Session => !place.session.is_empty(),
        Scope::Repository => repository.is_some(),
        Scope::All | Scope::Host | Scope::Subtree | Scope::Directory => true,
    }
}

/// The order in which one key goes through them.
const ROUND: [Scope; 6] =
    [Scope::All, Scope::Host, Scope::Repository, Scope::Subtree, Scope::Directory, Scope::Session];

#[cfg(test)]
mod tests {
    use super::*;

    fn place(session: &str) -> Place {
        Place {
            host: "laptop".into(),
            directory: b"/src/caro".to_vec().into(),
            session: session.into(),
            ..Place::default()
        }
    }

    #[test]
    fn one_key_goes_through_what_means_something_here() {
        let round = |session: &str, repository: Option<&[u8]>| {
            let place = place(session);
            let mut narrow = Narrow::default();
            let mut scopes = Vec::new();
            loop {
                narrow.next_scope(&place, repository);
                scopes.push(narrow.scope());
                if narrow == Narrow::default() {
                    return scopes;
                }
            }
        };
        assert_eq!(
            round("s1", Some(b"/src")),
            [Scope::Host, Scope::Repository, Scope::Subtree, Scope::Directory, Scope::Session, Scope::All,]
        );
        assert_eq!(round("", None), [Scope::Host, Scope::Subtree, Scope::Directory, Scope::All]);
    }

    #[test]
    fn a_beginning_that_means_nothing_here_narrows_nothing() {
        assert_eq!(Narrow::new(Scope::Session, &place(""), None), Narrow::default());
        assert_eq!(Narrow::new(Scope::Repository, &place("s"), None), Narrow::default());
        assert!(Narrow::new(Scope::Session, &place("s"), None).session);
    }

    #[test]
    fn each_choice_becomes_its_filter_and_says_so() {
        let place = place("s1");
        let top: Option<&[u8]> = Some(b"/src");
        let check = |narrow: Narrow, expected: Filter, words: &[&str]| {
            assert_eq!(narrow.filter(&place, top), expected);
            assert_eq!(narrow.words(), words);
        };
        let none = Narrow::default();
        check(none, Filter::default(), &["everywhere"]);
        check(
            Narrow { host: true, ..none },
            Filter { host: Some("laptop".into()), ..Filter::default() },
            &["this host"],
        );
        let session = Filter { session: Some("s1".into()), ..Filter::default() };
        check(Narrow { session: true, ..none }, session, &["this session"]);
        let directory = Filter { directory: Some(place.directory.clone()), ..Filter::default() };
        check(Narrow { folder: Some(Folder::Directory), ..none }, directory, &["this directory"]);
        let subtree = Filter { subtree: Some(place.directory.clone()), ..Filter::default() };
        check(Narrow { folder: Some(Folder::Subtree), ..none }, subtree, &["here and below"]);
        let repository = Filter { repository: Some(b"/src".to_vec().into()), ..Filter::default() };
        check(Narrow { folder: Some(Folder::Repository), ..none }, repository, &["this repository"]);
        let failed = Filter { exit: Some(ExitFilter::Not(0)), ..Filter::default() };
        check(Narrow { ended: Some(Ended::Failed), ..none }, failed, &["everywhere", "failed"]);
        let assistant = Filter { assistant: Some(true), ..Filter::default() };
        check(Narrow { author: Some(Author::Assistant), ..none }, assistant, &["everywhere", "by an assistant"]);
    }

    #[test]
    fn choices_go_round() {
        let mut narrow = Narrow::default();
        let ended: Vec<Option<Ended>> = std::iter::repeat_with(|| {
            narrow.next_ended();
            narrow.ended
        })
        .take(3)
        .collect();
        assert_eq!(ended, [Some(Ended::Failed), Some(Ended::Ok), None]);
        let authors: Vec<Option<Author>> = std::iter::repeat_with(|| {
            narrow.next_author();
            narrow.author
        })
        .take(3)
        .collect();
        assert_eq!(authors, [Some(Author::Me), Some(Author::Assistant), None]);
        narrow.toggle_folder(Folder::Subtree);
        narrow.toggle_folder(Folder::Directory);
        assert_eq!(narrow.folder, Some(Folder::Directory));
        narrow.toggle_folder(Folder::Directory);
        assert_eq!(narrow, Narrow::default());
    }
}
