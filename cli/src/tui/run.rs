//! Runs the screen: bytes come from a thread that reads the terminal, answers from one that asks the daemon; effects go
//! out. The only file here, with those that it calls for the terminal, that does anything but compute.

use std::{
    path::Path,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use caro_schema::ipc::history::Mode;
use jiff::Zoned;

use super::{
    Options, Purpose, copy,
    daemon_link::Job,
    danger::danger,
    effect::{Chosen, Effect},
    input::{Input, Mouse},
    key::{Code, Key},
    keyboard::Heard,
    line::Line,
    list::List,
    message::Message,
    model::{Model, Setup},
    narrow::Narrow,
    terminal::{self, Screen},
    update::update,
    view,
    wires::{Event, Wires},
};
use crate::{
    client::places,
    commands::place,
    config::{Config, Direction, Height, Theme},
    error::Outcome,
    query::{Parsed, folders},
};

/// The first frame waits so long for the first answer: with it there is no flicker, and nobody notices the wait.
const FIRST_ANSWER_WITHIN: Duration = Duration::from_millis(15);

/// How long after the last answer a daemon that still reads its history is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Keys that come within this are drawn together.
const TOGETHER: Duration = Duration::from_micros(500);

/// How long typing without a pause may keep a frame waiting.
const FRAME_WITHIN: Duration = Duration::from_millis(8);

/// Opens the screen and gives what was chosen, none when the person left.
pub(crate) fn choose(options: &Options, purpose: Purpose) -> Outcome<Option<Chosen>> {
    let places = places()?;
    let (config, problems) = Config::read(&places.config, &places.shared_settings());
    let tty = crate::terminal::open()?;
    let guard = terminal::take_over(&tty)?;
    let mut wires = Wires::connect(&tty)?;
    let wanted = match (options.inline, options.full) {
        (Some(height), _) => Some(height),
        (None, false) if config.screen.inline => Some(config.screen.height),
        _ => None,
    };
    // A terminal that does not tell where its cursor is has the full screen.
    let inline = wanted.and_then(|height: Height| Some((height, wires.cursor(&tty)?)));
    let mut screen = Screen::open(&tty, guard, inline, config.screen.mouse)?;
    let mut model = model(config, options, purpose, inline.is_some(), &screen);
    if let Some(problem) = problems.first() {
        // The screen looks or works otherwise than the file says, and here is where that is noticed.
        model.notice = format!("{problem}; see caro doctor");
    }
    let ended = Run { screen: &mut screen, wires: &mut wires, model, begun: Instant::now() }.run();
    screen.close();
    let chosen = ended?;
    wires.finish_deletions();
    Ok(chosen.map(|chosen| typed_on(chosen, wires.typed)))
}

/// What was typed after the key that took a command, while the terminal was asked where its cursor is: it cannot go back
/// into the terminal, so it is typed behind the command, as it would have been on the prompt.
fn typed_on(chosen: Chosen, typed: impl IntoIterator<Item = Input>) -> Chosen {
    let Chosen { mut command, mut run } = chosen;
    for input in typed {
        match input {
            // A line that was typed before raw mode ends as Ctrl-J.
            Input::Key(key) if key.code == Code::Enter || key == Key::ctrl('j') => {
                run = danger(&command).is_none();
                break;
            }
            Input::Key(key) => command.extend(key.letter().map(String::from).unwrap_or_default().bytes()),
            Input::Paste(text) => command.extend(text.bytes()),
            Input::Mouse(_) | Input::Cursor(..) => {}
        }
    }
    Chosen { command, run }
}

fn model(config: Config, options: &Options, purpose: Purpose, inline: bool, screen: &Screen) -> Model {
    let Config { screen: settings, keymap, theme } = config;
    let mut place = place();
    if let Some(session) = purpose.session {
        place.session = session;
    }
    let top = folders::repository(Path::new(std::ffi::OsStr::new(&as_os(&place.directory))));
    let repository = top.map(|top| std::os::unix::ffi::OsStringExt::into_vec(top.into_os_string()));
    let narrow = Narrow::new(settings.scope, &place, repository.as_deref());
    let text = options.query.as_deref().unwrap_or(&purpose.text);
    let home = std::env::var_os("HOME").map(std::os::unix::ffi::OsStringExt::into_vec).unwrap_or_default();
    let setup = Setup {
        place,
        repository,
        home,
        now: Zoned::now(),
        keymap,
        theme: theme.unwrap_or_else(|| Theme::suiting(|name| std::env::var(name).ok())),
        columns: settings.columns,
        // Another press of the up key goes further up, wherever the line is otherwise.
        direction: if purpose.by_up_key { Direction::Up } else { settings.direction },
        enter_runs: settings.enter_runs && purpose.for_prompt,
        for_prompt: purpose.for_prompt,
        by_up_key: purpose.by_up_key,
        vim: settings.vim,
        inline,
        join: settings.join,
    };
    let area = screen.area();
    let mut model = Model {
        setup,
        line: Line::new(text),
        parsed: Parsed::default(),
        mode: options.mode.map_or(settings.mode, Mode::from),
        narrow,
        size: (area.width, area.height),
        list: List::default(),
        other_hosts: false,
        asked: 0,
        answered: 0,
        question: 0,
        trouble: None,
        notice: String::new(),
        pane: None,
        context: None,
        marks: Vec::new(),
        deletions: Vec::new(),
        deleted: 0,
        confirm: None,
        editing: None,
        vim_normal: false,
        keys: Vec::new(),
        held: None,
        preview: settings.preview,
        preview_top: 0,
        clicked: None,
    };
    model.read_line();
    model
}

fn as_os(bytes: &[u8]) -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

/// The screen while it runs.
struct Run<'a> {
    screen: &'a mut Screen,
    wires: &'a mut Wires,
    model: Model,
    begun: Instant,
}

/// What a message led to.
type Ended = Option<Option<Chosen>>;

impl Run<'_> {
    fn run(mut self) -> Outcome<Option<Chosen>> {
        if self.wires.is_gone {
            return Ok(None);
        }
        let search = self.model.search();
        self.model.question = search.ticket;
        // The other thread ends only when this one does.
        let _ = self.wires.to_daemon.send(Job::Search(search));
        if let Some(chosen) = self.look_at_typed()? {
            return Ok(chosen);
        }
        let mut draw_at = Some(self.begun + FIRST_ANSWER_WITHIN);
        let mut drawn_by = None;
        loop {
            match self.next(draw_at) {
                None => {
                    draw_at = None;
                    drawn_by = None;
                    self.screen.draw(|frame| view::draw(&self.model, frame))?;
                }
                Some(event) => {
                    let is_answer = matches!(event, Event::Answer(_));
                    if let Some(chosen) = self.event(event)? {
                        return Ok(chosen);
                    }
                    // A frame waits for a moment for more keys, but not for ever, and not when there are results.
                    let now = Instant::now();
                    let by = *drawn_by.get_or_insert(now + FRAME_WITHIN);
                    draw_at = Some(if is_answer { now } else { by.min(now + TOGETHER) });
                }
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The next thing that happens, or none when it is time to draw.
    fn next(&mut self, draw_at: Option<Instant>) -> Option<Event> {
        loop {
            let now = Instant::now();
            let timer = self.model.next_ms().map(|ms| self.begun + Duration::from_millis(ms));
            let quiet = (!self.model.list.complete && !self.model.is_waiting()).then(|| now + ASK_AGAIN_AFTER);
            let wake = [draw_at, timer, quiet].into_iter().flatten().min();
            let received = match wake {
                None => self.wires.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => self.wires.events.recv_timeout(at.saturating_duration_since(now)),
            };
            match received {
                Ok(event) => return Some(event),
                Err(RecvTimeoutError::Disconnected) => return Some(Event::Heard(Heard::Nothing)),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if draw_at.is_some_and(|at| at <= now) {
                return None;
            }
            if timer.is_some_and(|at| at <= now) {
                return Some(Event::Answer(Message::Tick));
            }
            if quiet.is_some_and(|at| at <= now) {
                return Some(Event::Answer(Message::Quiet));
            }
        }
    }

    fn event(&mut self, event: Event) -> Outcome<Ended> {
        if matches!(event, Event::Heard(_)) {
            self.wires.keyboard.arrived();
        }
        match event {
            Event::Heard(Heard::Nothing) => self.message(Message::NoTerminal),
            Event::Heard(Heard::Bytes(bytes)) => {
                for byte in bytes {
                    let input = self.wires.decoder.push(byte);
                    self.wires.typed.extend(input);
                }
                self.heard(None)
            }
            Event::Heard(Heard::Pause) => {
                let input = self.wires.decoder.give_up();
                self.heard(input)
            }
            Event::Resized => {
                self.screen.resize()?;
                let area = self.screen.area();
                self.message(Message::Resize(area.width, area.height))
            }
            Event::Answer(message) => {
                let was_held = self.model.held.is_some();
                if matches!(message, Message::Deleted { .. }) {
                    self.wires.deleting = self.wires.deleting.saturating_sub(1);
                }
                let ended = self.message(message)?;
                if !was_held || ended.is_some() {
                    return Ok(ended);
                }
                self.heard(None)
            }
        }
    }

    /// Something was read, or may be looked at now. While Enter waits for its answer nothing more is read: what is typed
    /// after it is the shell's.
    fn heard(&mut self, input: Option<Input>) -> Outcome<Ended> {
        self.wires.typed.extend(input);
        let ended = self.look_at_typed()?;
        if ended.is_none() && self.model.held.is_none() {
            self.wires.read_on();
        }
        Ok(ended)
    }

    /// Looks at what was read, up to the key after which nothing is the screen's.
    fn look_at_typed(&mut self) -> Outcome<Ended> {
        while self.model.held.is_none()
            && let Some(input) = self.wires.typed.pop_front()
        {
            if let Some(chosen) = self.input(input)? {
                return Ok(Some(chosen));
            }
        }
        Ok(None)
    }

    fn input(&mut self, input: Input) -> Outcome<Ended> {
        match input {
            Input::Key(key) => self.message(Message::Key(key)),
            Input::Paste(text) => self.message(Message::Paste(text)),
            Input::Mouse(mouse) => {
                let area = self.screen.area();
                match (mouse.column.checked_sub(area.x), mouse.row.checked_sub(area.y)) {
                    (Some(column), Some(row)) => self.message(Message::Mouse(Mouse { column, row, ..mouse })),
                    // Above an inline screen is somebody else's.
                    _ => Ok(None),
                }
            }
            Input::Cursor(..) => Ok(None),
        }
    }

    fn message(&mut self, message: Message) -> Outcome<Ended> {
        let now_ms = self.now_ms();
        for effect in update(&mut self.model, message, now_ms) {
            let job = match effect {
                Effect::Search(search) => Job::Search(search),
                Effect::Locate(search) => Job::Locate(search),
                Effect::Details(subject) => Job::Details(subject),
                Effect::Delete(delete) => {
                    self.wires.deleting += 1;
                    Job::Delete(delete)
                }
                Effect::Copy(bytes) => {
                    self.copy(bytes)?;
                    continue;
                }
                Effect::Redraw => {
                    self.screen.resize()?;
                    continue;
                }
                Effect::Leave(chosen) => return Ok(Some(chosen)),
            };
            // The other thread ends only when this one does.
            let _ = self.wires.to_daemon.send(job);
        }
        Ok(None)
    }

    fn copy(&mut self, bytes: Vec<u8>) -> Outcome {
        match copy::sequence(&bytes) {
            Some(sequence) => {
                self.screen.send(&sequence)?;
                copy::to_desktop(bytes, |name| std::env::var_os(name));
            }
            None => self.model.notice = format!("not copied: it is longer than {} bytes", copy::BYTES_MAX),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_behind_the_choice_is_typed_behind_the_command() {
        let check = |command: &str, typed: Vec<Input>, expected: &str, run: bool| {
            let chosen = Chosen { command: command.into(), run: false };
            assert_eq!(typed_on(chosen, typed), Chosen { command: expected.into(), run }, "{expected}");
        };
        let key = |letter| Input::Key(Key::plain(Code::Char(letter)));
        let enter = || Input::Key(Key::plain(Code::Enter));
        check("ls", vec![], "ls", false);
        check("ls", vec![key(' '), Input::Paste("-l".into())], "ls -l", false);
        check("ls", vec![key('x'), enter(), key('y')], "lsx", true);
        check("rm -rf", vec![key(' '), key('x'), enter()], "rm -rf x", false);
    }
}
