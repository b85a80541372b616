//! `wisted top`: a live view of a host's services on a terminal, or one picture of them where there is none.

mod picture;
mod rates;

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{execute, queue};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGTERM};

use super::operate::{TopArgs, print};
use picture::{LineKind, Picture};
use rates::Rates;
use wisted::admin::model::Status;
use wisted::admin::{Client, ClientError};

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Order {
    /// What keeps the reactors busiest
    Cpu,
    /// What receives and sends most
    Bytes,
    /// What has most connections
    Connections,
    /// By name
    Name,
}

/// With buckets: percentiles are those of the last interval.
const STATUS: &str = "/api/v1/status?buckets=true";

/// How long a key may wait for its effect when nothing else happens.
const KEY_POLL: Duration = Duration::from_millis(100);

/// A faster look would be a load of its own.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// How many intervals the plots show at most.
const HISTORY_MAX: usize = 60;

pub(super) fn top(args: &TopArgs) -> Result<ExitCode> {
    let client = args.host.client()?;
    let interval = args.interval.max(INTERVAL_MIN);
    let first: Status = client.get(STATUS)?;
    if !io::stdout().is_terminal() {
        thread::sleep(interval);
        let second: Status = client.get(STATUS)?;
        let rates = Rates::between(&first, &second);
        let picture = Picture {
            status: &second,
            rates: &rates,
            history: &VecDeque::new(),
            order: args.sort,
            problem: None,
        };
        let lines = picture.lines(usize::MAX, usize::MAX);
        let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
        return print(&lines);
    }
    leave_when_killed()?;
    let samples = sample(client, interval)?;
    let _screen = Screen::enter().context("the terminal cannot be drawn on")?;
    live(first, &samples, args.sort)?;
    Ok(ExitCode::SUCCESS)
}

/// Asks on a thread of its own: a host that does not answer must not keep the keys waiting. It ends when nobody listens.
fn sample(client: Client, interval: Duration) -> Result<Receiver<Result<Status, ClientError>>> {
    let (tell, told) = channel();
    let thread = thread::Builder::new().name("wisted-top".into());
    thread.spawn(move || {
        loop {
            thread::sleep(interval);
            if tell.send(client.get(STATUS)).is_err() {
                return;
            }
        }
    })?;
    Ok(told)
}

fn live(
    mut status: Status,
    samples: &Receiver<Result<Status, ClientError>>,
    mut order: Order,
) -> Result<()> {
    let mut rates = Rates::between(&status, &status);
    let mut history = VecDeque::new();
    let mut problem = None;
    loop {
        let picture = Picture {
            status: &status,
            rates: &rates,
            history: &history,
            order,
            problem: problem.as_deref(),
        };
        draw(&picture)?;
        // Until there is something new to draw.
        loop {
            if terminal_is_gone() {
                return Ok(());
            }
            if event::poll(KEY_POLL)? {
                match told_by(&event::read()?) {
                    Told::Quit => return Ok(()),
                    Told::Order(new) => order = new,
                    Told::Redraw => {}
                    Told::Nothing => continue,
                }
                break;
            }
            match samples.try_recv() {
                Ok(Ok(new)) => {
                    rates = Rates::between(&status, &new);
                    status = new;
                    problem = None;
                    if history.len() == HISTORY_MAX {
                        history.pop_front();
                    }
                    history.push_back(rates.busy_share);
                    break;
                }
                Ok(Err(error)) => {
                    problem = Some(error.to_string());
                    break;
                }
                Err(_) => {}
            }
        }
    }
}

/// What an event of the terminal asks for.
enum Told {
    Quit,
    Order(Order),
    Redraw,
    Nothing,
}

fn told_by(event: &Event) -> Told {
    let key = match event {
        Event::Resize(..) => return Told::Redraw,
        Event::Key(key) if key.kind != KeyEventKind::Release => key,
        _ => return Told::Nothing,
    };
    match key.code {
        KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => Told::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Told::Quit,
        KeyCode::Char('c') => Told::Order(Order::Cpu),
        KeyCode::Char('b') => Told::Order(Order::Bytes),
        KeyCode::Char('n') => Told::Order(Order::Connections),
        KeyCode::Char('s') => Told::Order(Order::Name),
        _ => Told::Nothing,
    }
}

/// Writes over what is there, so that nothing flickers.
fn draw(picture: &Picture<'_>) -> io::Result<()> {
    let (width, height) = terminal::size()?;
    let mut out = io::stdout().lock();
    queue!(out, MoveTo(0, 0))?;
    let lines = picture.lines(usize::from(width), usize::from(height));
    for (row, (kind, line)) in (0..height).zip(lines) {
        let attribute = match kind {
            LineKind::Plain => Attribute::Reset,
            LineKind::Title => Attribute::Bold,
            LineKind::Head => Attribute::Reverse,
            LineKind::Quiet => Attribute::Dim,
        };
        queue!(
            out,
            MoveTo(0, row),
            SetAttribute(attribute),
            Print(line),
            SetAttribute(Attribute::Reset),
            Clear(ClearType::UntilNewLine),
        )?;
    }
    queue!(out, Clear(ClearType::FromCursorDown))?;
    out.flush()
}

/// The terminal while it is drawn on; as it was before when this value is dropped, or when anything panics.
struct Screen;

/// Ends the process in order when it is killed, on a thread of its own: waiting for keys goes on for ever where the terminal is
/// gone.
fn leave_when_killed() -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGHUP])?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            Screen::leave();
            std::process::exit(128 + signal);
        }
    };
    thread::Builder::new()
        .name("wisted-signals".into())
        .spawn(wait)?;
    Ok(())
}

/// Whether the other end of the terminal is closed.
fn terminal_is_gone() -> bool {
    let stdin = io::stdin();
    let mut keys = [PollFd::new(&stdin, PollFlags::empty())];
    let now = Timespec::default();
    match poll(&mut keys, Some(&now)) {
        Ok(_) => keys[0]
            .revents()
            .intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(_) => false,
    }
}

impl Screen {
    fn enter() -> io::Result<Self> {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            Self::leave();
            hook(panic);
        }));
        terminal::enable_raw_mode()?;
        let screen = Self;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    fn leave() {
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        Self::leave();
    }
}
