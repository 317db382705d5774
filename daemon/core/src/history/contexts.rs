//! Where commands ran, apart from the directory: host, user, shell and session, which come together and seldom change,
//! so a row names the four with one number.

use super::{
    grow,
    index::{self, Index},
    pool::Pool,
};

/// Contexts by number.
#[derive(Default)]
pub(crate) struct Contexts {
    words: Pool,
    contexts: Vec<Context>,
    uses: Vec<u32>,
    index: Index,
    free: Vec<u32>,
    /// The one taken last: records that come together mostly share it.
    last: u32,
}

/// The words of one context, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Context {
    host: u32,
    user: u32,
    shell: u32,
    session: u32,
}

/// The words of one context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words<'a> {
    pub(crate) host: &'a str,
    pub(crate) user: &'a str,
    pub(crate) shell: &'a str,
    pub(crate) session: &'a str,
}

impl Contexts {
    /// The number of a context, used once more.
    pub(super) fn take(&mut self, words: Words<'_>) -> u32 {
        if self.uses.get(self.last as usize).is_some_and(|uses| *uses > 0) && self.words(self.last) == words {
            self.uses[self.last as usize] += 1;
            return self.last;
        }
        self.last = self.look_up(words);
        self.last
    }

    fn look_up(&mut self, words: Words<'_>) -> u32 {
        let mut word = |word: &str| self.words.take(word.as_bytes()).0;
        let context = Context {
            host: word(words.host),
            user: word(words.user),
            shell: word(words.shell),
            session: word(words.session),
        };
        let hash = index::hash(&context);
        let Self { contexts, uses, index, free, .. } = self;
        if let Some(number) = index.find(hash, |number| contexts[number as usize] == context) {
            uses[number as usize] += 1;
            self.release_words(context);
            return number;
        }
        let number = free.pop().unwrap_or(contexts.len() as u32);
        if number as usize == contexts.len() {
            grow::push(contexts, context);
            grow::push(uses, 1);
        } else {
            contexts[number as usize] = context;
            uses[number as usize] = 1;
        }
        index.insert(hash, number, |other| index::hash(&contexts[other as usize]));
        number
    }

    /// Ends one use of a context.
    pub(super) fn release(&mut self, number: u32) {
        let uses = &mut self.uses[number as usize];
        *uses -= 1;
        if *uses > 0 {
            return;
        }
        let context = self.contexts[number as usize];
        let Self { contexts, index, .. } = self;
        index.remove(index::hash(&context), number, |other| index::hash(&contexts[other as usize]));
        self.free.push(number);
        self.release_words(context);
        self.words.pack();
    }

    fn release_words(&mut self, Context { host, user, shell, session }: Context) {
        for word in [host, user, shell, session] {
            self.words.release(word);
        }
    }

    /// The words of a context. All empty when the number is free.
    pub(crate) fn words(&self, number: u32) -> Words<'_> {
        if self.uses[number as usize] == 0 {
            return Words { host: "", user: "", shell: "", session: "" };
        }
        // What went in was UTF-8.
        let word = |word| std::str::from_utf8(self.words.text(word)).unwrap_or_default();
        let Context { host, user, shell, session } = self.contexts[number as usize];
        Words { host: word(host), user: word(user), shell: word(shell), session: word(session) }
    }

    /// The number of a word that some context has, to be compared with what [`Self::host_and_session`] gives.
    pub(crate) fn find_word(&self, word: &str) -> Option<u32> {
        self.words.find(word.as_bytes())
    }

    /// The numbers of the host and the session of a context: comparing these is quicker than comparing words. None when
    /// the number is free.
    pub(crate) fn host_and_session(&self, number: u32) -> Option<(u32, u32)> {
        let Context { host, session, .. } = self.contexts[number as usize];
        (self.uses[number as usize] > 0).then_some((host, session))
    }

    /// The text of a word, by its number.
    pub(crate) fn word(&self, number: u32) -> &[u8] {
        self.words.text(number)
    }

    /// Every number is below this.
    pub(crate) fn slots(&self) -> usize {
        self.contexts.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let numbers = (self.uses.capacity() + self.free.capacity()) * size_of::<u32>();
        let contexts = self.contexts.capacity() * size_of::<Context>();
        self.words.memory_bytes() + contexts + numbers + self.index.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_words_are_one_number_until_their_last_use() {
        let desk = Words { host: "desk", user: "ada", shell: "zsh 5.9", session: "1" };
        let mut contexts = Contexts::default();
        let one = contexts.take(desk);
        let other = contexts.take(Words { session: "2", ..desk });
        assert_eq!(contexts.take(desk), one);
        assert_ne!(one, other);
        contexts.release(one);
        assert!(contexts.words(one) == desk);
        contexts.release(one);
        assert_eq!(contexts.words(one).host, "");
        assert_eq!(contexts.words.find(b"1"), None, "its session was used by nobody else");
        assert!(contexts.words(other) == Words { session: "2", ..desk });
        assert_eq!(contexts.take(Words { session: "3", ..desk }), one, "the number is used again");
    }
}
