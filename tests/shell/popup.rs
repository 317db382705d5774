//! The screen in a window of tmux's own: opened by the key, and what is chosen stands on the prompt below.

use caro_tests::{Device, Home, Terminal, have, skip};

use crate::session::Kind;

#[test]
fn tp001_in_tmux_the_screen_may_have_a_window_of_its_own() {
    if !have("tmux") {
        return skip("tp001", "tmux");
    }
    let home = Home::new();
    home.write(".bashrc", format!("{}\n{}\n", Kind::Bash.prompt(), Kind::Bash.hook("")));
    let device = Device::in_home(home);
    device.type_lines("before", &["echo a 'first  needle'", "echo other"]);
    device.expect_commands(&["echo a 'first  needle'", "echo other"]);
    let mut env = device.home.env();
    env.push(("TMUX_TMPDIR".into(), device.home.path().into()));
    env.push(("CARO_TMUX_POPUP".into(), "70%,50%".into()));
    let arguments = ["-f", "/dev/null", "new-session", "bash", "-i"];
    let mut terminal = Terminal::start("tmux", &arguments, &env, &device.home.path());
    terminal.wait_for("ready>");
    terminal.keys("needle\x12");
    terminal.wait_for("1 of 2");
    terminal.wait_for("all keys");
    let is_framed = |line: &str| line.trim_start().starts_with('┌') || line.trim_start().starts_with('│');
    assert!(terminal.screen().lines().any(is_framed), "{}", terminal.screen());
    terminal.keys("\r");
    terminal.wait_until("it is on the prompt", |screen| {
        !screen.contains("all keys") && screen.starts_with("ready> echo a 'first  needle'")
    });
    let ended = device.home.command("tmux").env("TMUX_TMPDIR", device.home.path()).arg("kill-server").status();
    assert!(ended.expect("tmux starts").success());
}
