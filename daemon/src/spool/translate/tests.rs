//! What each shell's hook writes, and what becomes of it.

use std::collections::HashMap;

use super::*;

const NOW_S: i64 = 1_700_000_100;
const BOOT_US: i64 = 1_699_999_000 * SECOND_US;

/// One command as it ends up.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    command: String,
    start_us: i64,
    duration_us: Option<u64>,
    exit: Option<i32>,
}

struct Shell {
    session: Session,
    offset: u64,
    /// Whether the bytes are read as they are written.
    live: bool,
    now_us: i64,
    records: Vec<Record>,
}

impl Shell {
    fn new(shell: &str) -> Self {
        let mut new = Self {
            session: Session::named("file".to_owned(), 1),
            offset: 0,
            live: false,
            now_us: NOW_S * SECOND_US,
            records: Vec::new(),
        };
        new.write(&format!("\0H1\0sid\0p77\0k{shell}\0l1\0y/dev/pts/1\0hdesk\0uada\0\0"));
        new
    }

    fn write(&mut self, text: &str) -> &mut Self {
        self.write_bytes(text.as_bytes())
    }

    fn write_bytes(&mut self, data: &[u8]) -> &mut Self {
        let filter = Filter { ignore_directories: vec![b"/secret".to_vec()], ..Filter::default() };
        let source = Source {
            filter: &filter,
            stem: b"file.1",
            moment: Moment { now_us: self.now_us, boot_us: Some(BOOT_US) },
            modified_us: if self.live { self.now_us } else { self.now_us - 60 * SECOND_US },
            boot_us: Some(BOOT_US),
            host: "fallback-host",
            user: "fallback-user",
        };
        let parsed = spool::parse(data);
        let mut changes = Vec::new();
        let mut at = 0;
        for record in parsed.records.iter().chain(&parsed.tail) {
            translate(record, self.offset + at, &mut self.session, &source, &mut changes);
            at = record.end as u64;
        }
        self.offset += data.len() as u64;
        for change in changes {
            self.apply(change);
        }
        self
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Start(record) => self.records.push(record),
            Change::End { id, end } => {
                let record = self.records.iter_mut().find(|record| record.id == id).expect("an end has a start");
                record.duration_us = end.duration_us;
                record.exit = end.exit;
                record.start_us = end.start_us.unwrap_or(record.start_us);
            }
            Change::Retract(id) => self.records.retain(|record| record.id != id),
            Change::Withheld { .. } => {}
        }
    }

    fn ran(&self) -> Vec<Ran> {
        self.records
            .iter()
            .map(|record| Ran {
                command: String::from_utf8_lossy(&record.command).into_owned(),
                start_us: record.start_us,
                duration_us: record.duration_us,
                exit: record.exit,
            })
            .collect()
    }

    fn commands(&self) -> Vec<String> {
        self.ran().into_iter().map(|ran| ran.command).collect()
    }
}

fn bash(number: u32, start_us: i64, flags: &str, text: &str) -> String {
    format!("\0S{start_us}\0d/tmp\0f{flags}\0h{number:5}  {text}\n\0\0")
}

fn bash_timed(number: u32, time_s: i64, start_us: i64, flags: &str, text: &str) -> String {
    format!("\0S{start_us}\0d/tmp\0f{flags}\0i{number:5}  {time_s} {text}\n\0\0")
}

#[test]
fn bash_start_and_end() {
    let mut shell = Shell::new("bash 5.2.15(1)-release");
    shell.write(&bash(501, 1_700_000_000_123_456, "", "ls -l"));
    assert_eq!(shell.ran()[0].exit, None, "a start is visible before its end");
    shell.write("\0E1700000002623456\0x3\0p3 0\0\0");
    let record = &shell.records[0];
    assert_eq!(&record.command[..], b"ls -l");
    assert_eq!(&record.directory[..], b"/tmp");
    assert_eq!((record.host.as_str(), record.user.as_str()), ("desk", "ada"));
    assert_eq!((record.shell.as_str(), record.session.as_str()), ("bash 5.2.15", "id"));
    assert_eq!(record.start_us, 1_700_000_000_123_456);
    assert_eq!((record.duration_us, record.exit), (Some(2_500_000), Some(3)));
}

#[test]
fn zsh_text_is_kept_byte_for_byte() {
    let mut shell = Shell::new("zsh 5.9");
    for text in
        [&b"a\tb"[..], b"echo 'x\ny'", b"\xff\xfe", b"Sudo ls", b"\x1b[31m", b"trailing  ", "wide 你好".as_bytes()]
    {
        shell.write_bytes(&[b"\0S1700000000000001\0d/\xff\0c", text, b"\0\0"].concat());
        let record = shell.records.last().expect("recorded");
        assert_eq!(&record.command[..], text);
        assert_eq!(&record.directory[..], b"/\xff");
    }
}

#[test]
fn zsh_retraction_takes_back_the_last_start() {
    let mut shell = Shell::new("zsh 5.9");
    shell.write("\0S1700000000000001\0d/\0ckeep\0\0\0E1700000000000002\0x0\0p0\0\0");
    shell.write("\0S1700000001000001\0d/\0crefused\0\0\0E1700000001000002\0x0\0p0\0\0");
    shell.write("\0X\0\0\0S1700000002000001\0d/\0cnext\0\0");
    assert_eq!(shell.commands(), ["keep", "next"]);
    shell.write("\0X\0\0\0X\0\0");
    assert_eq!(shell.commands(), ["keep"], "a second retraction has nothing to take back");
}

#[test]
fn zsh_retraction_after_an_ignored_command_takes_nothing_else() {
    let mut shell = Shell::new("zsh 5.9");
    shell.write("\0S1700000000000001\0d/\0ckeep\0\0\0E1700000000000002\0x0\0p0\0\0");
    shell.write("\0S1700000001000001\0d/secret/x\0cignored\0\0\0E1700000001000002\0x0\0p0\0\0\0X\0\0");
    assert_eq!(shell.commands(), ["keep"]);
    assert_eq!(shell.ran()[0].exit, Some(0), "the end of an ignored command belongs to nobody");
}

#[test]
fn fish_boot_clock_gives_wall_time_and_milliseconds_the_length() {
    let mut shell = Shell::new("fish 3.6.0");
    shell.write("\0S\0b50.25 98.11\0d/tmp\0cls\0\0\0E\0n1500\0x0\0p0\0m\0\0");
    assert_eq!(
        shell.ran(),
        [Ran { command: "ls".to_owned(), start_us: BOOT_US + 50_250_000, duration_us: Some(1_500_000), exit: Some(0) }]
    );
}

#[test]
fn fish_commands_in_one_hundredth_keep_their_order() {
    let mut shell = Shell::new("fish 3.6.0");
    for text in ["one", "two", "three"] {
        shell.write(&format!("\0S\0b50.25 1\0d/\0c{text}\0\0\0E\0n1\0x0\0\0"));
    }
    let starts: Vec<i64> = shell.ran().iter().map(|ran| ran.start_us - BOOT_US).collect();
    assert_eq!(starts, [50_250_000, 50_250_001, 50_250_002]);
}

#[test]
fn a_clock_set_back_a_year_is_shown_as_it_is() {
    let mut shell = Shell::new("zsh 5.9");
    shell.write("\0S1700000000000000\0d/\0cbefore\0\0\0E1668464000000000\0x0\0\0");
    shell.write("\0S1668464000000005\0d/\0cafter\0\0\0E1668464000000009\0x0\0\0");
    let ran = shell.ran();
    assert_eq!((ran[0].duration_us, ran[0].exit), (None, Some(0)), "no length from a clock that was set");
    assert_eq!((ran[1].start_us, ran[1].duration_us), (1_668_464_000_000_005, Some(4)));
}

#[test]
fn fish_without_a_boot_clock_uses_arrival_or_the_files_time() {
    let mut shell = Shell::new("fish 4.0.0");
    shell.live = true;
    shell.write("\0S\0b\0d/\0clive\0\0");
    assert_eq!(shell.ran()[0].start_us, shell.now_us);
    shell.write(&format!("\0E\0n20\0x0\0p0\0m{NOW_S}\0\0"));
    assert_eq!(shell.ran()[0].start_us, shell.now_us, "arrival is finer than the file's second");

    let mut late = Shell::new("fish 4.0.0");
    late.write("\0S\0b\0d/\0clate\0\0\0E\0n20\0x0\0p0\0m1700000001\0\0");
    assert_eq!(late.ran()[0].start_us, 1_700_000_001 * SECOND_US);
}

#[test]
fn a_clock_of_seconds_is_refined_by_arrival() {
    let mut shell = Shell::new("bash 4.4.20(1)-release");
    shell.live = true;
    shell.now_us = NOW_S * SECOND_US + 300_000;
    shell.write(&bash(1, NOW_S * SECOND_US, "", "sleep .5"));
    shell.now_us += 500_000;
    shell.write(&format!("\0E{}\0x0\0\0", NOW_S * SECOND_US));
    let ran = &shell.ran()[0];
    assert_eq!((ran.start_us, ran.duration_us), (NOW_S * SECOND_US + 300_000, Some(500_000)));
}

#[test]
fn a_clock_of_seconds_read_late_stays_as_it_is() {
    let mut shell = Shell::new("bash 4.4.20(1)-release");
    shell.write(&bash(1, 1_700_000_000_000_000, "", "one"));
    shell.write("\0E1700000000000000\0x0\0\0");
    shell.write(&bash(2, 1_700_000_000_000_000, "", "two"));
    let ran = shell.ran();
    assert_eq!((ran[0].start_us, ran[0].duration_us), (1_700_000_000_000_000, Some(0)));
    assert_eq!(ran[1].start_us, 1_700_000_000_000_001);
}

#[test]
fn bash_repeat_is_recorded_again() {
    let mut shell = Shell::new("bash 5.2");
    shell.write(&bash(501, 1_700_000_000_000_001, "", "ls"));
    shell.write(&bash(501, 1_700_000_005_000_001, "r", "ls"));
    assert_eq!(shell.commands(), ["ls", "ls"]);
}

#[test]
fn bash_erasedups_is_decided_by_the_entry() {
    let second = 1_700_000_000;
    let us = |s: i64| s * SECOND_US + 500_000;
    let mut shell = Shell::new("bash 5.2");
    shell.write(&bash_timed(10, second, us(second), "e", "make"));
    // A line with a leading blank: the newest entry is still the one before.
    shell.write(&bash_timed(10, second, us(second + 5), "e", "make"));
    assert_eq!(shell.commands(), ["make"]);
    // A repeat that erased the one before it: the number stays, the time moves, and the hook saw that it is the same.
    shell.write(&bash_timed(10, second + 9, us(second + 9), "er", "make"));
    assert_eq!(shell.commands(), ["make", "make"]);
    // Two other lines within one second.
    shell.write(&bash_timed(10, second + 9, us(second + 9) + 1, "e", "ls"));
    shell.write(&bash_timed(11, second + 9, us(second + 9) + 2, "e", "pwd"));
    assert_eq!(shell.commands(), ["make", "make", "ls", "pwd"]);
    // The hook saw that the line is the same as before it.
    shell.write(&bash_timed(11, second + 9, us(second + 9) + 3, "er", "pwd"));
    assert_eq!(shell.commands().len(), 5);
    // Lines of several rows have the time of their first row, long before the start.
    shell.write(&bash_timed(12, second + 20, us(second + 300), "e", "for i in 1\ndo\ndone"));
    assert_eq!(shell.commands().len(), 6);
}

#[test]
fn rh113_a_prompt_that_reads_the_history_again_makes_no_command_of_a_hidden_line() {
    let second = 1_700_000_000;
    let us = |s: i64| s * SECOND_US + 500_000;
    let mut shell = Shell::new("bash 5.2");
    shell.write(&bash(6, us(second), "", "make"));
    // The file has no times, so that at each prompt every entry gets the time of the prompt.
    shell.write(&bash_timed(5, second + 1, us(second + 2), "e", "make"));
    shell.write(&bash_timed(5, second + 3, us(second + 3), "es", "make"));
    shell.write(&bash_timed(5, second + 4, us(second + 60), "e", "make"));
    assert_eq!(shell.commands(), ["make"]);
    // What another shell has run meanwhile is the newest entry, and no line of this one.
    shell.write(&bash_timed(5, second + 61, us(second + 70), "e", "from another shell"));
    shell.write(&bash_timed(7, second + 61, us(second + 80), "e", "and again"));
    assert_eq!(shell.commands(), ["make"]);
    // An older `ls` was erased and this one added; then it is repeated, hidden lines between.
    shell.write(&bash_timed(5, second + 90, us(second + 90), "e", "ls"));
    shell.write(&bash_timed(5, second + 91, us(second + 92), "es", "ls"));
    assert_eq!(shell.commands(), ["make", "ls", "ls"]);
    shell.write(&bash_timed(5, second + 93, us(second + 95), "e", "ls"));
    shell.write(&bash_timed(5, second + 93, us(second + 96), "er", "ls"));
    assert_eq!(shell.commands(), ["make", "ls", "ls", "ls"]);
}

#[test]
fn bash_legacy_drops_what_added_no_entry() {
    let second = 1_700_000_000;
    let us = |s: i64| s * SECOND_US;
    let mut shell = Shell::new("bash 3.2.57(1)-release");
    // Enter on an empty line, before anything was run: the newest entry is from another day.
    shell.write(&bash_timed(500, second - 86_400, us(second), "n", "yesterday"));
    shell.write(&bash_timed(501, second + 3, us(second + 3), "n", "ls"));
    shell.write(&bash_timed(501, second + 3, us(second + 4), "n", "ls"));
    shell.write(&bash_timed(501, second + 3, us(second + 6), "nr", "ls"));
    assert_eq!(shell.commands(), ["ls", "ls"]);
}

#[test]
fn a_header_may_tell_the_newest_entry() {
    let mut shell = Shell::new("bash 5.2");
    shell.write("\0H1\0sid\0p77\0kbash 5.2\0hdesk\0uada\0i   10  1700000000 old\n\0\0");
    shell.write(&bash_timed(10, 1_700_000_000, 1_700_000_000_900_000, "e", "old"));
    assert_eq!(shell.commands(), Vec::<String>::new());
    shell.write(&bash_timed(11, 1_700_000_000, 1_700_000_000_950_000, "e", "new"));
    assert_eq!(shell.commands(), ["new"]);
}

#[test]
fn an_entry_without_a_time_is_recorded() {
    let mut shell = Shell::new("bash 5.2");
    shell.write("\0S1700000000000000\0d/\0f\0i   10  ??ls\n\0\0");
    assert_eq!(shell.commands(), ["ls"]);
}

#[test]
fn torn_records_keep_what_they_have() {
    let mut shell = Shell::new("zsh 5.9");
    // The disk was full in the middle of a start, then of an end.
    shell.write(
        "\0S1700000000000001\0d/tm\0S1700000001000000\0d/tmp\0cwhole\0\0\0E1700\0S1700000002000000\0d/\0cnext\0\0",
    );
    assert_eq!(shell.commands(), ["whole", "next"]);
    // A shell killed while it wrote.
    shell.write("\0S1700000003000000\0d/\0ccut sho\0");
    assert_eq!(shell.commands(), ["whole", "next", "cut sho"]);
}

#[test]
fn a_start_without_an_end_stays() {
    let mut shell = Shell::new("zsh 5.9");
    shell.write("\0S1700000000000001\0d/\0ckilled\0\0\0S1700000001000001\0d/\0cnext\0\0\0E1700000002000001\0x0\0\0");
    let ran = shell.ran();
    assert_eq!((ran[0].exit, ran[1].exit), (None, Some(0)));
    shell.write("\0E1700000003000001\0x9\0\0");
    assert_eq!(shell.ran(), ran, "an end without a start changes nothing");
}

#[test]
fn a_file_without_a_header_names_this_machine() {
    let mut shell = Shell::new("zsh 5.9");
    shell.session = Session::named("file".to_owned(), 1);
    shell.write("\0S1700000000000001\0d/\0cls\0\0");
    let record = &shell.records[0];
    assert_eq!((record.host.as_str(), record.user.as_str()), ("fallback-host", "fallback-user"));
    assert_eq!(record.session, "file");
}

#[test]
fn unknown_records_fields_and_empty_commands_are_passed_over() {
    let mut shell = Shell::new("zsh 5.9");
    shell.write("\0Z9\0cfuture\0\0\0S1700000000000001\0zfuture\0d/\0cls\0\0");
    shell.write("\0S1700000001000001\0d/\0c\0\0\0S1700000002000001\0d/\0c  \n\0\0\0S1700000003000001\0d/\0\0");
    assert_eq!(shell.commands(), ["ls"]);
}

#[test]
fn trap_27_a_phrase_on_the_command_line_is_not_recorded() {
    let mut shell = Shell::new("zsh 5.9");
    shell.write("\0S1700000000000001\0d/\0ccaro sync restore legal winner thank year\0\0\0E1700000001000001\0x0\0\0");
    assert_eq!(shell.commands(), Vec::<String>::new());
}

#[test]
fn r002_the_same_bytes_give_the_same_ids_and_others_do_not() {
    let ids = |text: &str| -> Vec<RecordId> {
        let mut shell = Shell::new("zsh 5.9");
        shell.write(text);
        shell.records.iter().map(|record| record.id).collect()
    };
    let text = "\0S1700000000000001\0d/\0cls\0\0\0S1700000000000001\0d/\0cls\0\0";
    assert_eq!(ids(text), ids(text));
    let distinct: HashMap<RecordId, ()> = ids(text).into_iter().map(|id| (id, ())).collect();
    assert_eq!(distinct.len(), 2, "two starts in one microsecond are two commands");
}

#[test]
fn trap_21_the_id_tells_nothing_of_the_text() {
    let id = |text: &str| {
        let mut shell = Shell::new("zsh 5.9");
        shell.write(&format!("\0S1700000000000001\0d/\0c{text}\0\0"));
        shell.records[0].id
    };
    assert_eq!(id("ls"), id("rm -rf /"));
}

/// What `caro record` writes.
fn made(id: &str, more: &str, command: &str) -> String {
    format!("\0S1700000000000000\0u{id}\0d/tmp\0wclaude-code\0{more}c{command}\0\0")
}

const ID: &str = "000102030405060708090a0b0c0d0e0f";

#[test]
fn what_an_assistant_made_has_its_id_its_session_and_what_was_said() {
    let mut shell = Shell::new("");
    let said = "stalk\0ptidy up\0eremoves it\0mbig-4\0lhigh\0rrm -r\0tone\0ttwo\0kbash\0";
    shell.write(&made(ID, said, "rm -r x")).write(&format!("\0E0\0u{ID}\0x3\0n1500\0\0"));
    let record = &shell.records[0];
    assert_eq!((record.id.hex().as_str(), record.session.as_str(), record.shell.as_str()), (ID, "talk", "bash"));
    assert_eq!((record.exit, record.duration_us), (Some(3), Some(1_500_000)));
    let by = record.assistant.as_deref().expect("an assistant");
    assert_eq!((by.author.as_str(), by.model.as_str(), by.safety.as_str()), ("claude-code", "big-4", "high"));
    assert_eq!((by.prompt.as_str(), by.explanation.as_str()), ("tidy up", "removes it"));
    assert_eq!((by.rule.as_deref(), &by.tags[..]), (Some("rm -r"), &["one".to_owned(), "two".to_owned()][..]));
}

#[test]
fn an_end_that_names_its_command_ends_no_other() {
    let mut shell = Shell::new("");
    let other = "ffffffffffffffffffffffffffffffff";
    shell.write(&made(ID, "", "one")).write(&made(other, "", "two"));
    shell.write(&format!("\0E0\0u{ID}\0x1\0n7\0\0"));
    shell.write(&format!("\0E0\0u{other}\0x2\0n8\0\0"));
    let ended: Vec<_> = shell.ran().into_iter().map(|ran| (ran.exit, ran.duration_us)).collect();
    assert_eq!(ended, [(Some(1), Some(7000)), (Some(2), Some(8000))]);
}

#[test]
fn ds004_a_secret_in_what_was_asked_is_masked_and_its_place_wiped() {
    let text = made(ID, "pmysql -phunter2 app\0", "ls");
    let parsed = spool::parse(text.as_bytes());
    let (filter, mut session, mut changes) = (Filter::default(), Session::named("file".to_owned(), 1), Vec::new());
    let source = Source {
        filter: &filter,
        stem: b"file.1",
        moment: Moment { now_us: NOW_S * SECOND_US, boot_us: None },
        modified_us: 0,
        boot_us: None,
        host: "",
        user: "",
    };
    // The head is behind the NUL that opens the record, and its tag.
    translate(&parsed.records[0], 2, &mut session, &source, &mut changes);
    let (mut wiped, mut kept) = (text.clone().into_bytes(), None);
    for change in changes {
        match change {
            Change::Withheld { wipe, masked, .. } => {
                assert!(masked);
                wipe.into_iter().for_each(|range| wiped[range.start as usize..range.end as usize].fill(b'*'));
            }
            Change::Start(record) => kept = record.assistant,
            _ => {}
        }
    }
    assert_eq!(kept.expect("recorded").prompt, "mysql -p**** app");
    assert!(!String::from_utf8_lossy(&wiped).contains("hunter2"), "{wiped:?}");
}

#[test]
fn ds004_what_a_paused_shell_runs_through_an_assistant_is_not_recorded() {
    let mut shell = Shell::new("");
    let filter = Filter { pauses: crate::filter::Pauses::of_session("outer", 0), ..Filter::default() };
    let text = made(ID, "stalk\0oouter\0", "ls");
    let parsed = spool::parse(text.as_bytes());
    let source = Source {
        filter: &filter,
        stem: b"file.1",
        moment: Moment { now_us: NOW_S * SECOND_US, boot_us: None },
        modified_us: 0,
        boot_us: None,
        host: "",
        user: "",
    };
    let mut changes = Vec::new();
    translate(&parsed.records[0], 2, &mut shell.session, &source, &mut changes);
    assert!(matches!(changes[..], [Change::Withheld { why: Refusal::Paused, .. }]));
}
