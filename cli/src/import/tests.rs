//! What holds for every text format and any bytes at all. Databases have the same in `database/tests.rs`.

use proptest::prelude::*;

use super::{COMMAND_BYTES_MAX, Found, Source, testing::found};

const TEXT: [Source; 10] = [
    Source::Bash,
    Source::Zsh,
    Source::Fish,
    Source::Nu,
    Source::Xonsh,
    Source::Powershell,
    Source::Readline,
    Source::Resh,
    Source::Replxx,
    Source::Caro,
];

/// A small file of each format, with everything in it that the format has.
fn sample(source: Source) -> Vec<Vec<u8>> {
    let samples: &[&[u8]] = match source {
        Source::Bash => &[b"old\n#1700000000\nls -l\n#1700000005\nfor i in 1\ndo\n  ls\ndone\n"],
        Source::Zsh => &[b": 1700000000:5;git status\nplain\n: 1700000001:0;for i\\\ndo\\\ndone\necho \xe4\xbd\x83\x80\\ \n"],
        Source::Fish => &[b"- cmd: make\\nall \\\\n\n  when: 1700000000\n  paths:\n    - /src\n- cmd: ls\n"],
        Source::Nu => &[b"ls | length\ndef x [] {<\\n>  1<\\n>}\n"],
        Source::Xonsh => &[br#"{"data": {"cmds": [{"inp": "ls\n", "rtn": 0, "ts": [1.5, 2.5], "cwd": "/"}], "sessionid": "s"}}"#],
        Source::Powershell => &[b"\xef\xbb\xbfGet-Item `\r\n  -Path x\r\nls\n"],
        Source::Readline => &[b"_HiStOrY_V2_\nselect\\0401;\n", b"#1700000000\nselect 1;\n"],
        Source::Resh => &[b"{\"cmdLine\":\"ls\",\"exitCode\":0,\"realtimeBefore\":1.5}\nv1{\"cmdLine\":\"cd\",\"time\":\"2\"}\n"],
        Source::Replxx => &[b"### 2023-11-14 22:13:20.250\nselect 1\x17from t\n"],
        _ => &[
            b"{\"id\":\"07070707070707070707070707070707\",\"command\":\"ls\",\"start_us\":1,\"exit\":0}\n{\"command\":\"cd\"}\n",
            b"id,start_us,command,exact\r\n07070707070707070707070707070707,5,\"a \"\"b\"\"\n c\",\r\n,,x,\"{\"\"command\"\":\"\"y\"\"}\"\r\n",
        ],
    };
    samples.iter().map(|sample| sample.to_vec()).collect()
}

/// What must be true of whatever is found in any bytes.
fn check(source: Source, bytes: &[u8]) {
    let found = found(source, bytes);
    let mut text = 0;
    for found in &found {
        match found {
            Found::Entry(entry) => {
                assert!(!entry.command.is_empty(), "{source:?}: {}", bytes.escape_ascii());
                text += entry.command.len();
            }
            Found::Record(record) => text += record.command.len(),
            Found::Odd(odd) => assert!(odd.begins.len() <= 24),
        }
    }
    assert!(text <= bytes.len() && found.len() <= bytes.len() + 1, "{source:?}: {}", bytes.escape_ascii());
}

#[test]
fn trap_44_a_file_that_breaks_off_anywhere_gives_what_it_has() {
    for source in TEXT {
        for sample in sample(source) {
            (0..=sample.len()).for_each(|length| check(source, &sample[..length]));
        }
    }
}

#[test]
fn trap_44_a_file_with_any_bit_turned_is_read() {
    for source in TEXT {
        for sample in sample(source) {
            for bit in 0..sample.len() * 8 {
                let mut turned = sample.clone();
                turned[bit / 8] ^= 1 << (bit % 8);
                check(source, &turned);
            }
        }
    }
}

/// Bytes that are likely to mean something to one of the formats.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let parts: [&[u8]; 44] = [
        b"\n",
        b"\\",
        b"\\\n",
        b":",
        b": 1700000000:5;",
        b": 1:1;",
        b"#1700000000\n",
        b"#",
        b"- cmd: ",
        b"  when: 17\n",
        b"  paths:\n",
        b"    - /x\n",
        b"ls",
        b" ",
        b"99999999999999999999",
        b";",
        b"\r",
        b"\t",
        b"\\n",
        b"\\\\",
        b"<\\n>",
        b"`",
        b"`\r\n",
        b"### 2024-01-01 00:00:00.000\n",
        b"\x17",
        b"v1",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b",",
        b"null",
        b"{\"cmdLine\":\"",
        b"\"command\":\"x\"",
        b"{\"data\":{\"cmds\":[",
        b"{\"inp\":\"x\"}",
        b"\"ts\":[1,",
        b"command,exact\n",
        b"_HiStOrY_V2_\n",
        b"\\040",
        b"\xef\xbb\xbf",
        b"1e400",
        b"\\ud800",
    ];
    let part = prop_oneof![
        4 => prop::sample::select(parts.to_vec()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => Just(vec![0x83]),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn s20_any_file_is_read_without_panic_and_with_progress(bytes in likely()) {
        for source in TEXT {
            check(source, &bytes);
        }
    }

    #[test]
    fn s20_random_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for source in TEXT {
            check(source, &bytes);
        }
    }

    #[test]
    fn a_last_line_without_its_end_counts(line in "[a-z]{1,9}") {
        for source in [Source::Bash, Source::Zsh, Source::Nu, Source::Powershell, Source::Readline, Source::Replxx] {
            let with = found(source, format!("{line}\n").as_bytes());
            prop_assert_eq!(with.len(), 1);
            prop_assert_eq!(found(source, line.as_bytes()), with);
        }
    }
}

#[test]
fn s20_a_line_without_end_costs_no_more_memory_than_a_command_may_have() {
    for source in TEXT.into_iter().filter(|source| *source != Source::Xonsh) {
        let long = vec![b'x'; 8 * COMMAND_BYTES_MAX + 10];
        let next: &[u8] = match source {
            Source::Fish => b"\n- cmd: ls\n",
            Source::Resh => b"\n{\"cmdLine\":\"ls\"}\n",
            Source::Caro => b"\n{\"command\":\"ls\"}\n",
            _ => b"\nls\n",
        };
        let first: &[u8] = if source == Source::Fish { b"- cmd: " } else { b"{" };
        let found = found(source, &[first, &long, next].concat());
        assert_eq!(found.len(), 2, "{source:?}");
        assert!(matches!(found[0], Found::Odd(_)), "{source:?}");
        assert!(matches!(&found[1], Found::Entry(entry) if entry.command == b"ls"), "{source:?}");
    }
}
