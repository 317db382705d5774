//! Shells in their strictest modes, and with everything else that people put into their start files.

use crate::session::{Kind, Session, for_each_shell};

for_each_shell! {
    rc020_the_strictest_mode_changes_nothing(kind) {
        let after = match kind {
            Kind::Bash => "set -u -o pipefail -o noclobber -E -T; shopt -s extdebug failglob; IFS=xyz",
            Kind::Zsh => "setopt nounset pipefail noclobber warncreateglobal ksharrays shwordsplit",
            _ => "",
        };
        let mut session = Session::with(kind, "", after);
        session.run(&["echo one", "false", "true | false", "echo two"]);
        assert_eq!(session.commands(), ["echo one", "false", "true | false", "echo two"]);
        assert!(!session.terminal.screen().contains("__caro"), "{}", session.terminal.screen());
        assert_eq!(session.exits()[1].1, Some(1));
    }

    rc021_the_status_of_a_command_is_still_there_for_the_prompt_and_the_next_line(kind) {
        let before = match kind {
            Kind::Bash => "PROMPT_COMMAND='shown=$?'",
            Kind::Zsh => "precmd() { shown=$? }",
            _ => "function fish_prompt; set -g shown $status; echo -n 'ready> '; end",
        };
        let mut session = Session::with(kind, before, "");
        session.run(&["sh -c 'exit 7'"]);
        session.terminal.line("sh -c 'exit 9'");
        session.terminal.line("echo \"after $shown\"");
        session.terminal.wait_for("\nafter 9");
        let status = if kind == Kind::Fish { "$status" } else { "$?" };
        session.terminal.line("sh -c 'exit 5'");
        session.terminal.line(&format!("echo \"last {status}\""));
        session.terminal.wait_for("\nlast 5");
    }
}

/// A prompt as starship and its likes install theirs: they take over what runs before the prompt.
fn bash_with(before: &str, after: &str) {
    let mut session = Session::with(Kind::Bash, before, after);
    session.run(&["echo one", "sh -c 'exit 3'", "(echo sub)", "echo two | cat"]);
    let expected = [("echo one", 0), ("sh -c 'exit 3'", 3), ("(echo sub)", 0), ("echo two | cat", 0)];
    assert_eq!(session.exits(), expected.map(|(text, exit)| (text.to_owned(), Some(exit))), "{before:?} {after:?}");
}

/// Keeps what was there, runs it from a function of its own, and shows the status in the prompt.
const STARSHIP_LIKE: &str = r#"
starship_precmd() {
  STARSHIP_CMD_STATUS=$?
  if [[ -n ${_starship_user_prompt_command-} ]]; then eval "$_starship_user_prompt_command"; fi
  PS1="[$STARSHIP_CMD_STATUS] ready> "
}
"#;

#[test]
fn rc030_bash_prompt_command_as_a_string() {
    bash_with("PROMPT_COMMAND='echo -n'", "");
    bash_with("PROMPT_COMMAND='echo -n;'", "");
}

#[test]
fn rc031_bash_prompt_command_as_an_array() {
    bash_with("PROMPT_COMMAND=('echo -n' 'true')", "");
    bash_with("", "PROMPT_COMMAND+=('echo -n')");
}

#[test]
fn rc032_a_prompt_like_starship_before_and_after() {
    let take_over = "_starship_user_prompt_command=${PROMPT_COMMAND[0]-}; PROMPT_COMMAND[0]=starship_precmd";
    bash_with(&format!("{STARSHIP_LIKE}\n{take_over}"), "");
    bash_with("", &format!("{STARSHIP_LIKE}\n{take_over}"));
    let as_string = "_starship_user_prompt_command=${PROMPT_COMMAND-}; PROMPT_COMMAND=starship_precmd";
    bash_with("", &format!("{STARSHIP_LIKE}\n{as_string}"));
}

#[test]
fn rc033_somebody_elses_debug_trap_before_and_after() {
    bash_with("trap ': theirs' DEBUG", "");
    bash_with("", "trap ': theirs' DEBUG");
}

#[test]
fn rc034_history_written_and_read_again_at_each_prompt() {
    let exchange = "HISTFILE=~/.bash_history; PROMPT_COMMAND='history -a; history -c; history -r'";
    bash_with(exchange, "");
}

#[test]
fn rc035_bash_erasedups_and_a_time_format() {
    bash_with("HISTCONTROL=ignoreboth:erasedups; HISTTIMEFORMAT='%F %T '", "");
}
