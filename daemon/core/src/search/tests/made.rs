//! Queries of every mode, filter and order. Histories to ask are made with the history.

use caro_schema::ipc::history::{Except, ExitFilter, Filter, Made, Mode, Order, Place, Query};
use proptest::prelude::*;

use crate::history::model::id;

pub(super) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(
            &["", " ", "g", "gi", "git", "git s", "Git", "GIT", "gS", "st", "tus", "s g", "ls", "é", "É", "-l"][..]
        )
        .prop_map(str::to_owned),
        "[gitsGIé -]{0,4}",
        // Signs, in places where they mean something and where they do not.
        "([!'^]{0,2}[gitsGIé]{0,3}\\$?( \\| | ){0,1}){1,3}",
        "[gi!'^$|\\\\ ]{0,5}",
    ]
}

/// The text, or what looks for just this text where it is no expression.
pub(super) fn usable(text: String, mode: Mode) -> String {
    if mode == Mode::Regex && regex::bytes::Regex::new(&text).is_err() { regex::escape(&text) } else { text }
}

pub(super) fn any_mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(&[Mode::Fuzzy, Mode::Substring, Mode::Prefix, Mode::Regex][..])
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let sometimes = |words: &'static [&'static str]| prop::option::weighted(0.2, prop::sample::select(words));
    let words = (
        sometimes(&["", "desk", "laptop", "nowhere"]),
        sometimes(&["ada", "root"]),
        sometimes(&["one", "two"]),
        sometimes(&["bash", "zsh", "z"]),
    );
    let places = (
        sometimes(&["", "/", "/home/ada"]),
        sometimes(&["/", "/home/ada", "/home/ada/", "/home"]),
        prop::option::weighted(0.1, prop::sample::select(&["/home/ada", "/"][..])),
    );
    let exit = prop::sample::select(
        &[ExitFilter::Is(0), ExitFilter::Not(0), ExitFilter::Is(i32::MIN), ExitFilter::Running][..],
    );
    let rest = (
        prop::option::weighted(0.2, exit),
        prop::option::weighted(0.2, (-2i64..6).prop_map(|start| start * 40_000_000)),
        prop::option::weighted(0.2, (-2i64..6).prop_map(|start| start * 40_000_000)),
        prop::option::weighted(0.2, any::<bool>()),
        prop::option::weighted(0.1, prop::collection::vec((0u32..50).prop_map(id), 0..20)),
        (prop::option::weighted(0.1, 0u64..4), prop::option::weighted(0.1, 0u64..4)),
        prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(any_except(), 1..3)],
        (any_made(), any_some_of(&["desk", "", "laptop"]), any_some_of(&["/home/ada", "/", "/nowhere"])),
    );
    (words, places, rest).prop_map(
        |(
            (host, user, session, shell),
            (directory, subtree, repository),
            (exit, since_us, until_us, assistant, ids, (took_from_us, took_below_us), except, (made, hosts, trees)),
        )| Filter {
            made,
            any_host: hosts,
            any_subtree: trees.into_iter().map(|tree| tree.into_bytes().into()).collect(),
            host: host.map(str::to_owned),
            user: user.map(str::to_owned),
            session: session.map(str::to_owned),
            shell: shell.map(str::to_owned),
            directory: directory.map(|text| text.as_bytes().to_vec().into()),
            subtree: subtree.map(|text| text.as_bytes().to_vec().into()),
            repository: repository.map(|text| text.as_bytes().to_vec().into()),
            took_from_us,
            took_below_us,
            except,
            exit,
            since_us,
            until_us,
            assistant,
            ids,
        },
    )
}

/// Mostly nothing, which asks for nothing.
fn any_some_of(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec(prop::sample::select(texts).prop_map(str::to_owned), 1..3),
    ]
}

fn any_made() -> impl Strategy<Value = Made> {
    let words = prop::sample::select(&["a", "b", "ab", ""][..]).prop_map(str::to_owned);
    let words = prop::option::weighted(0.5, words);
    prop_oneof![6 => Just(Made::default()), 1 => words.prop_map(|words| Made { words, ..Made::default() })]
}

fn any_except() -> impl Strategy<Value = Except> {
    let text = |text: &str| text.as_bytes().to_vec().into();
    prop::sample::select(vec![
        Except::Host("desk".to_owned()),
        Except::Host(String::new()),
        Except::User("root".to_owned()),
        Except::Session("one".to_owned()),
        Except::Shell("zsh".to_owned()),
        Except::Directory(text("/home/ada")),
        Except::Directory(text("")),
        Except::Subtree(text("/home/ada/")),
    ])
}

pub(super) fn any_query() -> impl Strategy<Value = Query> {
    let order = prop::sample::select(&[Order::Rank, Order::Newest, Order::Oldest][..]);
    let place = (
        prop::sample::select(&["", "/home/ada", "/nowhere"][..]),
        prop::sample::select(&["", "desk"][..]),
        prop::sample::select(&["", "two"][..]),
        prop::sample::select(&[0, 100_000_000, 1_760_000_000_000_000][..]),
    )
        .prop_map(|(directory, host, session, now_us)| Place {
            directory: directory.as_bytes().to_vec().into(),
            host: host.to_owned(),
            session: session.to_owned(),
            now_us,
        });
    let filter = prop_oneof![Just(Filter::default()), any_filter()];
    (any_text(), any_mode(), filter, order, any::<bool>(), place).prop_map(
        |(text, mode, filter, order, unique, place)| Query {
            text: usable(text, mode),
            mode,
            filter,
            order,
            unique,
            place,
            masked: false,
        },
    )
}
