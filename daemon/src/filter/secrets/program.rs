//! Tells a program that is run from its name in another's arguments: `find / -name mysql -print` runs no `mysql`.
//!
//! Knows the bytes around the name and no shell's grammar. Who is not sure says that it is run: a name that is taken for a
//! program costs a command of the history, a program that is taken for a name a password.

/// Whether what begins here is a program that is run.
pub(super) fn is_run(line: &[u8], at: usize) -> bool {
    let (before, after) = line.split_at(at);
    let length = after.iter().position(|byte| !is_of_name(*byte)).unwrap_or(after.len());
    let (name, after) = after.split_at(length);
    // Of a file, an image, a folder or a pattern, another sign comes next.
    let is_whole = after.first().is_none_or(|byte| byte.is_ascii_whitespace() || b"'\"".contains(byte));
    let is_closed = after.first().is_some_and(|byte| !byte.is_ascii_whitespace());
    is_whole && (!name.contains(&b'.') || name.ends_with(b".exe")) && is_command_place(before, is_closed)
}

fn is_command_place(before: &[u8], is_closed: bool) -> bool {
    match before.last() {
        None => true,
        Some(b'/') => is_program_folder(before, is_closed),
        Some(b'\'' | b'"' | b'\\') => !is_named(&before[..before.len() - 1]),
        Some(b' ' | b'\t' | b'\n' | b';' | b'|' | b'&' | b'(' | b'{' | b'`') => !is_named(before),
        Some(_) => false,
    }
}

/// Whether a path up to its last part is where programs are, or stands where a command begins: in a line, and in a quoted
/// text that goes on behind it.
fn is_program_folder(path: &[u8], is_closed: bool) -> bool {
    let word = last_word(path);
    let start = &path[..path.len() - word.len()];
    let unquoted = start.strip_suffix(b"'").or_else(|| start.strip_suffix(b"\""));
    [&b"bin/"[..], b"./"].iter().any(|folder| word.ends_with(folder))
        || unquoted.is_some_and(|_| !is_closed)
        || unquoted.unwrap_or(start).trim_ascii_end().last().is_none_or(|byte| b";|&({`".contains(byte))
}

/// Whether the word before is an option whose value is a name.
fn is_named(before: &[u8]) -> bool {
    let option = last_word(before.trim_ascii_end());
    option.starts_with(b"-") && NAMING.iter().any(|end| option.ends_with(end.as_bytes()))
}

fn last_word(text: &[u8]) -> &[u8] {
    let begins = |byte: &u8| byte.is_ascii_whitespace() || b"'\";|&({`".contains(byte);
    &text[text.iter().rposition(begins).map_or(0, |at| at + 1)..]
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

/// How options end whose value is the name of a file, a container, a machine or a user.
const NAMING: [&str; 13] =
    ["name", "path", "regex", "user", "group", "network", "net", "link", "alias", "host", "from", "-u", "-h"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_run_is_told_from_its_name_in_anothers_arguments() {
        let runs = |line: &str| is_run(line.as_bytes(), line.rfind("mysql").expect("its name is there"));
        for line in [
            "mysql -p",
            "sudo -E mysql -p",
            "ls; mysql -p",
            "A=b mysql -p",
            "$(mysql -p",
            "ssh h 'mysql -p",
            "bash -c \"mysql -p",
            "docker exec -it db mysql -p",
            "docker run --rm mysql -p",
            "kubectl exec db -- mysql -p",
            "sudo -u mysql mysql -p",
            "/usr/bin/mysql -p",
            "/opt/db/mysql -p",
            "cd /opt && db/mysql -p",
            "sudo ./mysql -p",
            "'/opt/db/mysql' -p",
            "ssh h '/opt/db/mysql -p",
            "\\mysql -p",
            "mysqldump.exe -p",
        ] {
            assert!(runs(line), "{line}");
        }
        for line in [
            "find . -name mysql -p",
            "find . -name 'mysql' -p",
            "find . -name 'mysql*' -p",
            "find . -name '*mysql' -p",
            "find /etc/mysql -p",
            "find '/etc/mysql' -p",
            "docker run --name mysql -p",
            "docker run --name=mysql -p",
            "docker run mysql:8 -p",
            "tar -c mysql.cnf -p",
            "ps -u mysql -p",
        ] {
            assert!(!runs(line), "{line}");
        }
    }
}
