//! Aliases and variables that are kept with caro: each shell has them from its start on, exactly, and runs nothing of them
//! while it reads them.

use std::fs;

use caro_tests::{Device, Home, eventually};

use crate::session::{Kind, Session, for_each_shell, for_every_shell};

/// What would leave a file if a shell obeyed it while it reads it. `X` is the file.
const HOSTILE: [&str; 12] = [
    "$(touch X)",
    "`touch X`",
    "'; touch X; '",
    "\"; touch X; \"",
    "a\ntouch X\n",
    "\\'; touch X #",
    "\\",
    "it's \"quoted\" \\' \\\\' end\\",
    "%!#~*?[a]{b,c} -n --x",
    "end; touch X; begin; (touch X)",
    "\u{1b}]0;x\u{7}\t漢字 ‘’ é",
    "&& touch X || touch X | touch X > X < X",
];

/// A home in which all of it is kept, with a start file.
fn home(kind: Kind) -> (Device, std::path::PathBuf) {
    let home = Home::new();
    let paste = if kind == Kind::Zsh { "unsetopt zle_bracketed_paste 2>/dev/null" } else { "" };
    home.write(kind.start_file(), format!("{}\n{paste}\n{}\n", kind.prompt(), kind.hook("")));
    let device = Device::in_home(home);
    let obeyed = device.home.path().join("obeyed");
    for (number, text) in HOSTILE.iter().enumerate() {
        let text = text.replace('X', obeyed.to_str().expect("text"));
        let done = device.home.caro_with_input(&["env", "set", &format!("KEPT_{number}")], &format!("{text}\n"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        device.home.caro_ok(&["alias", "set", &format!("hostile{number}"), &text]);
    }
    device.home.caro_ok(&["alias", "set", "act", "touch", obeyed.to_str().expect("text")]);
    device.home.caro_ok(&["alias", "set", "say", "printf \"%s|\" \"a b\" 'c;d'"]);
    (device, obeyed)
}

for_every_shell! {
    it001_variables_are_there_from_the_start_exactly_and_obeyed_by_nobody(kind) {
        let (device, obeyed) = home(kind);
        let mut session = Session::in_device(kind, device);
        let line = if kind == Kind::Nu { "^env -0 o> variables" } else { "env -0 > variables" };
        session.run(&[line]);
        let bytes = fs::read(session.device.home.path().join("variables")).expect("written");
        for (number, text) in HOSTILE.iter().enumerate() {
            let text = text.replace('X', obeyed.to_str().expect("text"));
            let expected = format!("KEPT_{number}={text}");
            let is_there = bytes.split(|byte| *byte == 0).any(|variable| variable == expected.as_bytes());
            assert!(is_there, "{expected:?} is not in {:?}", String::from_utf8_lossy(&bytes));
        }
        assert!(!obeyed.exists(), "something was obeyed");
    }
}

for_each_shell! {
    it002_an_alias_is_text_until_it_is_used(kind) {
        let (device, obeyed) = home(kind);
        let mut session = Session::in_device(kind, device);
        session.run(&["say e 'f  g' > said"]);
        assert_eq!(fs::read_to_string(session.device.home.path().join("said")).expect("written"), "a b|c;d|e|f  g|");
        assert!(!obeyed.exists(), "something was obeyed");
        // It is the shell's own from then on, and does what it says.
        session.run(&["act"]);
        eventually("it is obeyed when it is called", || obeyed.exists().then_some(()));
    }

    it003_an_alias_that_names_itself_is_the_program(kind) {
        let home = Home::new();
        home.write(kind.start_file(), format!("{}\n{}\n", kind.prompt(), kind.hook("")));
        let device = Device::in_home(home);
        device.home.caro_ok(&["alias", "set", "ls", "ls -d /"]);
        device.home.caro_ok(&["alias", "set", "cd", "cd /usr"]);
        let mut session = Session::in_device(kind, device);
        session.run(&["ls > listed", "cd", "pwd > ~/where"]);
        let read = |name: &str| fs::read_to_string(session.device.home.path().join(name)).expect("written");
        assert_eq!((read("listed").as_str(), read("where").as_str()), ("/\n", "/usr\n"));
    }

    it004_a_strict_shell_and_odd_options_read_it_all_the_same(kind) {
        let before = match kind {
            Kind::Bash => "set -u -o noclobber -o posix; IFS=abc; alias alias=false builtin=false export=false\n",
            Kind::Zsh => "setopt nounset noclobber rcquotes cshjunkiequotes kshglob shwordsplit globsubst\n\
                          alias -g alias=false; alias builtin=false export=false\n",
            _ => "function alias; false; end; function export; false; end; function set_color; end\n",
        };
        let home = Home::new();
        let (prompt, hook) = (kind.prompt(), kind.hook(""));
        home.write(kind.start_file(), format!("{prompt}\n{before}\n{hook}\n"));
        let device = Device::in_home(home);
        device.home.caro_ok(&["alias", "set", "say", "printf %s 'a b' abc"]);
        device.home.caro_ok(&["env", "set", "KEPT", "it's\n'' a b c \\"]);
        let mut session = Session::in_device(kind, device);
        session.run(&["say >| said", "printenv KEPT >| kept"].map(|line| match kind {
            Kind::Fish => line.replace(">|", ">"),
            _ => line.to_owned(),
        }).iter().map(String::as_str).collect::<Vec<_>>()[..]);
        let read = |name: &str| fs::read_to_string(session.device.home.path().join(name)).expect("written");
        assert_eq!((read("said").as_str(), read("kept").as_str()), ("a babc", "it's\n'' a b c \\\n"));
    }

    it005_a_file_that_is_a_link_or_anothers_is_not_read(kind) {
        let home = Home::new();
        home.write(kind.start_file(), format!("{}\n{}\n", kind.prompt(), kind.hook("")));
        let device = Device::in_home(home);
        device.home.caro_ok(&["alias", "set", "say", "echo ours"]);
        let name = if kind == Kind::Fish { "items.fish" } else { "items.sh" };
        let (file, obeyed) = (device.home.data().join("shared").join(name), device.home.path().join("obeyed"));
        let planted = device.home.write("planted", format!("touch {}\n", obeyed.display()));
        fs::remove_file(&file).expect("removed");
        std::os::unix::fs::symlink(&planted, &file).expect("linked");
        let mut session = Session::in_device(kind, device);
        session.run(&["echo started"]);
        assert!(!obeyed.exists(), "a link was followed");
        // The daemon puts its own in the place of a link, and does not write through it.
        session.device.home.caro_ok(&["alias", "set", "say", "echo again"]);
        assert!(!fs::symlink_metadata(&file).expect("there").is_symlink());
        assert!(fs::read_to_string(planted).expect("there").starts_with("touch"));
    }
}
