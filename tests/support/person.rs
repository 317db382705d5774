//! A person at two machines, and how long things take them. Either counted (keys times a speed, and the programs' own time
//! as it is measured) or lived through, at that speed.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{Device, Relay, Terminal, eventually, program};

/// Sixty words a minute.
const KEY: Duration = Duration::from_millis(200);

/// Copying an address from one window into another.
const PASTE: Duration = Duration::from_secs(4);

/// Writing a word on paper.
const WRITTEN_WORD: Duration = Duration::from_millis(2_000);

/// Reading three words on one screen and the same on another.
const COMPARE: Duration = Duration::from_secs(5);

/// A person.
pub struct Person {
    lives: bool,
    /// What they have spent.
    pub spent: Duration,
    /// Commands that they have typed.
    pub commands: usize,
}

impl Person {
    /// One whose time is counted.
    pub fn counted() -> Self {
        Self { lives: false, spent: Duration::ZERO, commands: 0 }
    }

    /// One whose time passes.
    pub fn living() -> Self {
        Self { lives: true, ..Self::counted() }
    }

    fn spends(&mut self, time: Duration) {
        if self.lives {
            thread::sleep(time);
        }
        self.spent += time;
    }

    /// Types a command with a relay's address, which is pasted, and Enter.
    fn runs(&mut self, device: &Device, arguments: &[&str], relay: Option<&Relay>) -> Terminal {
        let typed = 4 + arguments.iter().map(|argument| argument.len() + 1).sum::<usize>() + 1;
        self.spends(KEY * u32::try_from(typed).expect("few"));
        self.commands += 1;
        let mut arguments = arguments.to_vec();
        if let Some(relay) = relay {
            self.spends(KEY * 9 + PASTE);
            arguments.extend(["--relay", relay.address()]);
        }
        let caro = program("caro");
        Terminal::start(caro.to_str().expect("a path"), &arguments, &device.home.env(), &device.home.path())
    }

    /// Waits for what the screen is to show. Waiting is a person's time too.
    fn waits(&mut self, terminal: &Terminal, text: &str) {
        let begun = Instant::now();
        terminal.wait_for(text);
        self.spent += begun.elapsed();
    }

    fn types(&mut self, terminal: &mut Terminal, text: &str) {
        for key in text.chars() {
            self.spends(KEY);
            terminal.keys(key.to_string());
        }
        self.spends(KEY);
        terminal.keys("\r");
    }

    /// Makes an account: sees the phrase, writes it down, and is asked for some of it. Gives the phrase.
    pub fn makes_an_account(&mut self, device: &Device, relay: &Relay) -> Vec<String> {
        let mut terminal = self.runs(device, &["sync", "init"], Some(relay));
        self.waits(&terminal, "Do you have a recovery phrase already");
        self.types(&mut terminal, "n");
        self.waits(&terminal, "Enter when it is written down");
        let phrase = phrase_on(&terminal.screen());
        self.spends(WRITTEN_WORD * u32::try_from(phrase.len()).expect("24"));
        self.types(&mut terminal, "");
        for asked in 0..3 {
            terminal.wait_until("the next word is asked for", |screen| screen.matches("Word ").count() > asked);
            let screen = terminal.screen();
            let place = screen.rsplit("Word ").next().and_then(|rest| rest.split(':').next());
            let place: usize = place.and_then(|place| place.trim().parse().ok()).expect("a number");
            self.types(&mut terminal, &phrase[place - 1]);
        }
        self.waits(&terminal, "the account is made");
        terminal.wait_for_end();
        phrase
    }

    /// Comes into it with the phrase.
    pub fn restores(&mut self, device: &Device, relay: &Relay, phrase: &[String]) {
        let mut terminal = self.runs(device, &["sync", "restore"], Some(relay));
        self.waits(&terminal, "Recovery phrase:");
        self.types(&mut terminal, &phrase.join(" "));
        self.waits(&terminal, "this device has joined");
        terminal.wait_for_end();
    }

    /// Lets one machine into the account of another with a code.
    pub fn pairs(&mut self, inside: &Device, newcomer: &Device, relay: &Relay) {
        let mut showing = self.runs(inside, &["sync", "pair"], None);
        self.waits(&showing, "Ctrl-C takes it away");
        let code = code_on(&showing.screen());
        let mut asking = self.runs(newcomer, &["sync", "join"], Some(relay));
        self.waits(&asking, "Code from the other machine:");
        self.types(&mut asking, &code);
        self.waits(&showing, "y or n");
        self.waits(&asking, "y or n");
        self.spends(COMPARE);
        for terminal in [&mut showing, &mut asking] {
            self.spends(KEY);
            terminal.keys("y");
        }
        self.waits(&asking, "this device has joined");
        self.waits(&showing, "is in the account");
        asking.wait_for_end();
        showing.wait_for_end();
    }

    /// Sees on one machine what was typed on the other.
    pub fn sees(&mut self, device: &Device, commands: &[&str]) {
        let begun = Instant::now();
        eventually("both have everything", || {
            let known = device.home.commands();
            commands.iter().all(|command| known.iter().any(|it| it == command)).then_some(())
        });
        self.spent += begun.elapsed();
    }
}

/// The numbered words of a phrase.
fn phrase_on(screen: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut parts = screen.split_whitespace().peekable();
    while let Some(part) = parts.next() {
        let is_next = part.strip_suffix('.').and_then(|number| number.parse::<usize>().ok()) == Some(words.len() + 1);
        if is_next && let Some(word) = parts.peek() {
            words.push((*word).to_owned());
        }
    }
    assert_eq!(words.len(), 24, "no phrase on:\n{screen}");
    words
}

/// The code on a screen.
///
/// # Panics
/// When there is none.
pub fn code_on(screen: &str) -> String {
    let is_code = |line: &&str| {
        let parts: Vec<&str> = line.split('-').collect();
        let is_word = |word: &&str| word.len() >= 3 && word.bytes().all(|letter| letter.is_ascii_lowercase());
        parts.len() == 3 && parts[0].parse::<u16>().is_ok() && parts[1..].iter().all(is_word)
    };
    screen.lines().map(str::trim).find(is_code).unwrap_or_else(|| panic!("no code on:\n{screen}")).to_owned()
}
