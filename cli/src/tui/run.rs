//! Runs the screen: messages come from a thread that reads keys and one that asks the daemon; effects go out. The only
//! file here that does anything but compute.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use caro_schema::ipc::history::Mode;
use crossterm::event::{self, Event};

use super::{
    Options, Purpose,
    daemon_link::{self, Job},
    effect::{Chosen, Effect},
    line::Line,
    message::Message,
    model::Model,
    terminal::Screen,
    update::{update, usable},
    view,
};
use crate::{client::places, commands::place, config::Config, error::Outcome};

/// The first frame waits so long for the first answer: with it there is no flicker, and nobody notices the wait.
const FIRST_ANSWER_WITHIN: Duration = Duration::from_millis(15);

/// How long after the last answer a daemon that still reads its history is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Opens the screen and gives what was chosen, none when the person left.
pub(crate) fn choose(options: &Options, purpose: Purpose) -> Outcome<Option<Chosen>> {
    let config = Config::read(&places()?.config).0;
    let inline_rows = options.inline.or(if options.full { None } else { config.inline_rows });
    let mut screen = Screen::open(inline_rows)?;
    let model = model(&config, options, purpose, screen.size());
    let chosen = run(&mut screen, model);
    screen.close();
    chosen
}

fn model(config: &Config, options: &Options, purpose: Purpose, size: (u16, u16)) -> Model {
    let mut place = place();
    if let Some(session) = purpose.session {
        place.session = session;
    }
    let scope = usable(config.scope, &place.session);
    let mode = options.mode.map_or(config.mode, Mode::from);
    let text = options.query.as_deref().unwrap_or(&purpose.text);
    Model {
        line: Line::new(text),
        mode,
        scope,
        place,
        size,
        rows: Vec::new(),
        offset: 0,
        total: 0,
        of: 0,
        complete: true,
        selected: 0,
        top: 0,
        asked: 0,
        answered: 0,
        trouble: None,
        notice: String::new(),
        deleting: None,
        enter_runs: config.enter_runs && purpose.for_prompt,
        for_prompt: purpose.for_prompt,
        by_up_key: purpose.by_up_key,
    }
}

fn run(screen: &mut Screen, mut model: Model) -> Outcome<Option<Chosen>> {
    let (to_model, messages) = mpsc::channel();
    let (to_daemon, jobs) = mpsc::channel();
    daemon_link::start(jobs, to_model.clone());
    read_keys(to_model);
    // The other thread ends only when this one does.
    let _ = to_daemon.send(Job::Search(model.search()));
    let mut draw_at = Some(Instant::now() + FIRST_ANSWER_WITHIN);
    loop {
        let quiet_at = (!model.complete).then(|| Instant::now() + ASK_AGAIN_AFTER);
        let Some(mut batch) = next(&messages, draw_at.or(quiet_at)) else { return Ok(None) };
        if batch.is_empty() && quiet_at.is_some() {
            batch.push(Message::Quiet);
        }
        if !batch.is_empty() || draw_at.is_some_and(|at| at <= Instant::now()) {
            draw_at = None;
        }
        for message in batch {
            if let Message::Resize(columns, rows) = message {
                screen.resize(columns, rows)?;
            }
            for effect in update(&mut model, sized(message, screen)) {
                match effect {
                    Effect::Search(search) => drop(to_daemon.send(Job::Search(search))),
                    Effect::Delete(delete) => drop(to_daemon.send(Job::Delete(delete))),
                    Effect::Redraw => {
                        let (columns, rows) = crossterm::terminal::size().unwrap_or(screen.size());
                        screen.resize(columns, rows)?;
                    }
                    Effect::Leave(chosen) => return Ok(chosen),
                }
            }
        }
        if draw_at.is_none() {
            screen.draw(|frame| view::draw(&model, frame))?;
        }
    }
}

/// A terminal's size becomes that of the part which is drawn in.
fn sized(message: Message, screen: &Screen) -> Message {
    match message {
        Message::Resize(..) => Message::Resize(screen.size().0, screen.size().1),
        other => other,
    }
}

/// Waits for something to happen, and takes everything that has: many keys at once are drawn once. Empty when the time
/// came to draw without; none when nobody can send any more.
fn next(messages: &Receiver<Message>, draw_at: Option<Instant>) -> Option<Vec<Message>> {
    let first = match draw_at {
        None => messages.recv().ok()?,
        Some(at) => match messages.recv_timeout(at.saturating_duration_since(Instant::now())) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => return None,
        },
    };
    Some(std::iter::once(first).chain(messages.try_iter()).collect())
}

/// Reads keys until the program ends. It cannot be asked to stop, and need not: the program ends right after.
fn read_keys(messages: Sender<Message>) {
    thread::spawn(move || {
        loop {
            let message = match event::poll(LOOK_FOR_TERMINAL).and_then(|ready| ready.then(event::read).transpose()) {
                Ok(Some(Event::Key(key))) => Message::Key(key),
                Ok(Some(Event::Paste(text))) => Message::Paste(text),
                Ok(Some(Event::Resize(columns, rows))) => Message::Resize(columns, rows),
                // A terminal that is gone looks like one on which nobody types.
                Ok(None) if rustix::termios::tcgetattr(rustix::stdio::stdin()).is_ok() => continue,
                Ok(Some(_)) => continue,
                Ok(None) | Err(_) => Message::NoTerminal,
            };
            if messages.send(message).is_err() {
                return;
            }
        }
    });
}

/// How soon a screen notices that its terminal is gone, where no signal says so.
const LOOK_FOR_TERMINAL: Duration = Duration::from_secs(1);
