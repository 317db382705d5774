//! Files that others write: the shells' spool, foreign history, configuration, the key's file.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use caro_daemon::{
    clock::Moment,
    config::Loaded,
    filter::Filter,
    keys,
    spool::{Change, Spool},
};
use caro_relay::config::{Config, Overrides};
use caro_schema::spool;
use chaos_tests::fuzzing::{Target, account::NOW_MS, input::Input};

use crate::scratch;

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "spool_grammar",
        what: "the grammar of the shells' files: cut anywhere and continued, the same records come out, and reading goes on",
        run: grammar,
        seeds: spool_seeds,
    },
    Target {
        name: "spool_file",
        what: "a spool file and its name, read by the daemon with what it remembers of the session: it comes to the file's \
               end, takes nothing twice, and makes no more of it than there is",
        run: spool_file,
        seeds: spool_file_seeds,
    },
    Target {
        name: "import",
        what: "history files of every shell: no more text comes out than went in, no command is empty, and the same file \
               gives the same again",
        run: import,
        seeds: import_seeds,
    },
    Target {
        name: "config_daemon",
        what: "the configuration file, read by the daemon: what cannot be used is a problem with words, and never the end",
        run: config_daemon,
        seeds: config_seeds,
    },
    Target {
        name: "config_caro",
        what: "the same file, read by `caro`",
        run: |data| drop(caro::fuzzing::config(&scratch::file(&scratch::empty("caro"), "config.toml", data))),
        seeds: config_seeds,
    },
    Target {
        name: "config_relay",
        what: "a relay's configuration file: what is taken is within every limit's bounds",
        run: config_relay,
        seeds: config_relay_seeds,
    },
    Target {
        name: "key_file",
        what: "the file that holds or names the key of the database: read, or refused with advice",
        run: key_file,
        seeds: key_file_seeds,
    },
];

fn grammar(data: &[u8]) {
    let mut input = Input::new(data);
    let cut = usize::from(input.short());
    let data = input.rest();
    let whole = spool::parse(data);
    assert!(whole.consumed <= data.len());
    let first = spool::parse(&data[..cut.min(data.len())]);
    let rest = spool::parse(&data[first.consumed..]);
    let fields = |records: &[spool::Record<'_>]| -> Vec<(Vec<u8>, bool)> {
        records
            .iter()
            .map(|record| {
                let bytes = record.fields.iter().flat_map(|field| [&[field.tag][..], field.value, &[0]].concat());
                (bytes.collect(), record.whole)
            })
            .collect()
    };
    let mut parts = fields(&first.records);
    parts.extend(fields(&rest.records));
    assert!(parts == fields(&whole.records), "a cut at {cut} gives other records");
}

fn spool_seeds() -> Vec<Vec<u8>> {
    hook_files().into_iter().flat_map(|file| [[&[0, 0][..], &file].concat(), [&[0, 20][..], &file].concat()]).collect()
}

/// What hooks of each shell write.
fn hook_files() -> Vec<Vec<u8>> {
    let header = b"\0H1\0sab12\0p4194303\0kzsh 5.9\0l1\0y/dev/pts/1\0hhost\0uada\0\0";
    let bash = [
        &header[..],
        b"\0S1790000000000000\0d/tmp\0h  501  ls -l\n\0e500\0n500\0\0",
        b"\0E1790000000100000\0x1\0p0 1\0\0",
        b"\0S1790000001000000\0d/tmp\0i  502* 1790000001 echo \xff\n\0fr\0\0",
    ]
    .concat();
    let zsh = [&header[..], b"\0S1790000000000000\0d/\0cfor i in 1\ndo\n ls\ndone\0\0", b"\0E1790000000000009\0x0\0\0"];
    let fish = [&header[..], b"\0S\0b12345.67\0cmake\0d/src\0\0", b"\0E\0n250\0m1790000000\0x2\0\0", b"\0X\0\0"];
    vec![bash, zsh.concat(), fish.concat(), b"\0S17\0d/ho\0S18\0cx\0\0\0\0\0".to_vec(), b"\0S17\0ccut of".to_vec()]
}

fn spool_file(data: &[u8]) {
    let mut input = Input::new(data);
    let name = input.bytes();
    let row = input.bytes().to_vec();
    let filter = Filter::default();
    let file = input.rest();
    let now_us = (NOW_MS * 1000).cast_signed();
    let moment = Moment { now_us, boot_us: Some(now_us - 3_600_000_000) };
    drop(Spool::session_of(OsStr::from_bytes(name)));
    let folder = scratch::empty("spool");
    scratch::file(&folder, NAME, file);
    let mut reader = Spool::new(folder, "host".to_owned(), "ada".to_owned(), vec![(NAME.as_bytes().to_vec(), row)]);
    let mut starts = 0;
    let mut left = file.len() as u64;
    for stem in reader.scan().expect("a folder") {
        while let Some(piece) = reader.read(&stem, &filter, moment).expect("a file in memory") {
            assert!(piece.bytes > 0 && piece.bytes <= left, "more was taken than there was");
            left -= piece.bytes;
            for change in &piece.changes {
                if let Change::Start(record) = change {
                    starts += record.command.len() + 1;
                }
            }
        }
    }
    assert!(starts <= 2 * file.len() + 16, "more text came out than went in");
}

/// A session whose shell is gone, so that its last record is closed.
const NAME: &str = "ab12.4194303";

fn spool_file_seeds() -> Vec<Vec<u8>> {
    let with = |file: Vec<u8>| [&[0, 4][..], b"s.17", &[0, 0], &file].concat();
    hook_files().into_iter().map(with).collect()
}

fn import(data: &[u8]) {
    let mut input = Input::new(data);
    let sources = caro::fuzzing::sources();
    let source = sources[input.below(sources.len())];
    let file = input.rest();
    let found = caro::fuzzing::import(source, file);
    assert!(found.iter().all(|command| !command.is_empty()), "{source}: an empty command");
    let bytes: usize = found.iter().map(Vec::len).sum();
    assert!(bytes <= file.len(), "{source}: more text came out than went in");
    assert!(caro::fuzzing::import(source, file) == found, "{source}: the same file gives something else");
}

fn import_seeds() -> Vec<Vec<u8>> {
    let files: [&[u8]; 8] = [
        b"ls -l\n#1700000000\nfor i in 1\ndo\n  ls\ndone\n#1700000001\ncd\n",
        b": 1700000000:5;git status\n: 1700000001:0;echo a\\\nb\n: x:y;z\n\x83\xa3\n",
        b"- cmd: make\\nall\n  when: 1700000000\n  paths:\n    - /src\n- cmd: ls\n",
        b"ls\0cd\n\n\n#\n#12x\n",
        b"{\"cmd\": \"ls\", \"ts\": 1700000000}\n{\"cmd\": 1}\n[",
        b"Get-Item `\n  -Path x\nls\n",
        b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20",
        b"{\"data\": {\"cmds\": [{\"inp\": \"ls\\n\", \"ts\": [1.5, 2.5], \"rtn\": 0}]}}",
    ];
    let sources = caro::fuzzing::sources().len();
    (0..sources).flat_map(|source| files.iter().map(move |file| [&[source as u8][..], file].concat())).collect()
}

fn config_daemon(data: &[u8]) {
    let folder = scratch::empty("daemon");
    let path = scratch::file(&folder, "config.toml", data);
    let nothing = folder.join("nothing");
    // As the file of the person, and as the one of what the account's settings say.
    for (own, shared) in [(&path, &nothing), (&nothing, &path)] {
        let loaded = Loaded::read(own, shared, Some(&folder));
        assert!(loaded.file.problems.iter().all(|problem| !problem.what.is_empty()));
    }
}

fn config_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "log = \"debug\"\n[key]\nstore = \"file\"\n[record]\nignore_commands = [\"^ls\", \"(\"]\n\
         ignore_directories = [\"~/secret\", \"/tmp\"]\n[sync]\nwindow_days = 90\nwindow_commands = 10000\n",
        "[screen]\nstyle = \"inline\"\nrows = 15\nenter = \"run\"\nscope = \"host\"\n[search]\nmode = \"regex\"\n",
        "[screen.keys]\n\"ctrl-x ctrl-e\" = \"edit\"\n\"ctrl-d\" = \"none\"\n",
        "[sync]\nwindow_days = -1\nwindow_days = 99999999999999\n[recrod]\nx = 1\n",
        "\u{feff}log = 1\n[[screen]]\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn config_relay(data: &[u8]) {
    let folder = scratch::empty("relay");
    let path = scratch::file(&folder, "relay.toml", data);
    let overrides = Overrides { config: Some(path), data: Some(folder), ..Overrides::default() };
    match Config::load(overrides, []) {
        Ok(config) => drop(config.registration()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn config_relay_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "listen = \"127.0.0.1:7490\"\nplain = true\npublic_host = \"relay.example.org\"\nregistration = \"token\"\n\
         trusted_proxies = [\"127.0.0.1\"]\nlog = \"info\"\n[limits]\n",
        "[limits]\nbytes_per_account = 0\nopening_ms = 1\n",
        "limitz = 1\n",
        "listen = \"nowhere\"\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn key_file(data: &[u8]) {
    let folder = scratch::empty("key");
    scratch::file(&folder, keys::FILE_NAME, data);
    if let Err(error) = keys::is_locked(&folder) {
        assert!(!error.to_string().is_empty() && !error.advice().is_empty());
    }
}

fn key_file_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "caro key 1\nfile AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n",
        "caro key 1\nkeychain 0011223344556677\n",
        "caro key 1\nlocked AQEB\n",
        "caro key 2\nfile x\n",
        "",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}
