//! Deleting as a person does it: asked on a terminal, with other shells going on meanwhile.

use crate::{
    support::{CARO, Home},
    terminal::Terminal,
};

#[test]
fn what_came_while_the_question_waited_is_not_deleted_with_it() {
    let home = Home::with_history(&["git status", "ls", "git push"]);
    let delete = [CARO, "history", "delete", "--match", "git"];
    let mut asked = Terminal::run(&home, &delete, (80, 24));
    asked.wait_for("Delete 2 commands from this machine");
    home.record("other", &["git commit"]);
    assert_eq!(home.ok(&["history", "last", "-c"]), "git commit\n");
    asked.press("y\r");
    assert_eq!(asked.end(), 75, "{}", asked.screen());
    let said = asked.screen();
    assert!(said.contains("it would be 3 commands now") && said.contains("nothing was deleted"), "{said}");
    assert_eq!(home.ok(&["history", "list", "-c"]), "git status\nls\ngit push\ngit commit\n");
    let mut asked = Terminal::run(&home, &delete, (80, 24));
    asked.wait_for("Delete 3 commands from this machine");
    asked.press("y\r");
    assert_eq!(asked.end(), 0, "{}", asked.screen());
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\n");
}

#[test]
fn an_id_that_is_named_twice_counts_once() {
    let home = Home::with_history(&["git status", "ls"]);
    let id = home.ok(&["history", "last", "--format", "{id}"]);
    let mut asked = Terminal::run(&home, &[CARO, "history", "delete", id.trim(), id.trim()], (80, 24));
    asked.wait_for("Delete 1 command from this machine");
    asked.press("y\r");
    assert_eq!(asked.end(), 0, "{}", asked.screen());
    assert!(asked.screen().contains("1 command deleted"), "{}", asked.screen());
}
