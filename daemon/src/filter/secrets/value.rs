//! Tells a secret from what stands in a secret's place: a variable, a path, a word such as `password`, a pattern.
//!
//! Knows one value and the name in front of it, nothing of commands. Both ways of being wrong cost: a secret that is
//! taken for a word is recorded, a word that is taken for a secret is missing from history.

/// Whether a value can be a secret at all. A literal one is in quotes in which a shell replaces nothing.
pub(super) fn is_value(value: &[u8], is_literal: bool) -> bool {
    let value = trimmed(value);
    let is_another =
        |value| if is_literal && may_be_literal(value) { is_template(value) } else { stands_for_another(value) };
    value.len() >= VALUE_BYTES_MIN && !is_another(value) && !is_path(value) && !is_ports(value) && !is_word(value)
}

/// Whether a value begins as a variable or a substitution does, which it is not where nothing is replaced.
pub(super) fn may_be_literal(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'$' | b'`'))
}

/// Whether a value is long and as mixed as chance makes it.
pub(super) fn is_random(value: &[u8]) -> bool {
    let value = trimmed(value);
    if value.len() < RANDOM_BYTES_MIN || !is_value(value, false) || is_uuid(value) {
        return false;
    }
    let has = |class: fn(&u8) -> bool| value.iter().any(class);
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let hex = value.iter().all(u8::is_ascii_hexdigit);
    if hex {
        // Without capitals, so that a number or a word made of these letters is not one.
        return digits * 8 >= value.len() && digits * 8 <= value.len() * 7 && entropy(value) >= HEX_BITS_MIN;
    }
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && digits > 0;
    let lower = has(u8::is_ascii_lowercase) && digits * 8 >= value.len();
    let parts = value.iter().filter(|byte| matches!(byte, b'-' | b'_' | b'.')).count();
    // Joined words have many joints, and a capital only where one begins; chance changes the kind of letter all the time.
    let changes = value.windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    let restless = if mixed { changes * 5 >= value.len() * 2 } else { changes * 5 >= value.len() };
    (mixed || lower) && restless && parts * 6 <= value.len() && entropy(value) >= MIXED_BITS_MIN
}

/// Whether a name says that what it holds is no secret however mixed it is.
pub(super) fn is_public_name(name: &[u8]) -> bool {
    const PUBLIC: [&str; 31] = [
        "sha",
        "hash",
        "digest",
        "commit",
        "rev",
        "checksum",
        "id",
        "uuid",
        "url",
        "uri",
        "path",
        "dir",
        "nonce",
        "version",
        "tag",
        "image",
        "name",
        "host",
        "file",
        "md5",
        "integrity",
        "etag",
        "fingerprint",
        "pub",
        "public",
        "ref",
        "branch",
        "colors",
        "flags",
        "args",
        "opts",
    ];
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    name.split(['_', '-', '.']).any(|part| PUBLIC.iter().any(|public| part == *public || part.starts_with("sha")))
}

/// Whether a name that holds a word such as `token` says what to do with one, or how many, instead.
pub(super) fn is_other_name(name: &[u8], value: &[u8]) -> bool {
    const LIMITS: [&str; 3] = ["max", "limit", "num"];
    const VERBS: [&str; 6] = ["ask-", "export-", "delete-secret", "generate-", "list-", "show-"];
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let numbers = value.iter().all(|byte| byte.is_ascii_digit());
    let is_limit = LIMITS.iter().any(|limit| name.contains(limit));
    // A password may be a number; a token of so few digits is a count of tokens.
    numbers && (value.len() <= 6 || is_limit) && !name.contains("pass")
        || VERBS.iter().any(|verb| name.starts_with(verb))
}

/// Anything shorter is no secret worth the name, and most often an option's letter.
const VALUE_BYTES_MIN: usize = 3;

/// Shorter values are too often words.
const RANDOM_BYTES_MIN: usize = 16;

/// Sixteen hexadecimal digits drawn by chance have about three bits a digit, forty about 3.7.
const HEX_BITS_MIN: f64 = 2.7;

/// Names and sentences stay below this.
const MIXED_BITS_MIN: f64 = 3.3;

fn trimmed(value: &[u8]) -> &[u8] {
    let quotes = |byte: &u8| matches!(byte, b'\'' | b'"' | b',' | b';' | b')' | b'\\');
    let end = value.iter().rposition(|byte| !quotes(byte)).map_or(0, |last| last + 1);
    &value[..end]
}

/// A variable, a substitution, a file to read from, a template, a pattern, or an ellipsis.
fn stands_for_another(value: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 16] = [
        b"$",
        b"`",
        b"<",
        b"{{",
        b"${",
        b"@",
        b"[",
        b"(",
        b"-",
        b"|",
        b">",
        b"=",
        b"...",
        b"\xe2\x80\xa6",
        b"op://",
        b"!",
    ];
    const WITHIN: [&[u8]; 10] = [b".*", b"[^", b"\\w", b"\\S", b"\\d", b"[a-", b"[A-", b"...", b"{{", b"\xe2\x80\xa6"];
    const SOURCES: [&str; 9] = ["env:", "file:", "fd:", "ref+", "vault:", "ssm:", "arn:", "secretref:", "keyvault"];
    let first = value[0];
    let one_letter = value.iter().all(|byte| *byte == first);
    let named = value.len() > 2 && first == b'%' && value[value.len() - 1] == b'%';
    BEGINNINGS.iter().any(|beginning| value.starts_with(beginning))
        || WITHIN.iter().any(|part| memchr::memmem::find(value, part).is_some())
        || starts_with_any(value, &SOURCES)
        || one_letter
        || named
        // A variable anywhere: the secret is in it, not here.
        || value.windows(2).any(|pair| pair[0] == b'$' && (pair[1] == b'{' || pair[1] == b'('))
}

/// A variable or a substitution and nothing else, written down for a shell that reads it later. Capitals alone are a name.
fn is_template(value: &[u8]) -> bool {
    let is_name = |name: &[u8]| name.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    match value {
        [b'$', b'{', .., b'}'] | [b'$', b'(', ..] | [b'`', .., b'`'] => true,
        [b'$', name @ ..] => is_name(name),
        _ => false,
    }
}

fn is_path(value: &[u8]) -> bool {
    let rooted = starts_with_any(value, &["/", "./", "../", "~/", "~", "file://", "http://", "https://", "c:\\"]);
    const ENDINGS: [&str; 16] = [
        ".pem", ".key", ".txt", ".json", ".yml", ".yaml", ".toml", ".env", ".crt", ".conf", ".cfg", ".gpg", ".sh",
        ".py", ".js", ".rs",
    ];
    let lower = value.to_ascii_lowercase();
    rooted && !looks_like_base64(value) || ENDINGS.iter().any(|ending| lower.ends_with(ending.as_bytes()))
}

/// A slash may be the first of sixty-four digits. A path has more letters than digits and seldom both cases.
fn looks_like_base64(value: &[u8]) -> bool {
    let has = |class: fn(&u8) -> bool| value.iter().filter(|byte| class(byte)).count();
    value.len() >= 32
        && has(u8::is_ascii_digit) >= 3
        && has(u8::is_ascii_uppercase) >= 6
        && !value.contains(&b'.')
        && value.iter().filter(|byte| **byte == b'/').count() * 8 <= value.len()
}

/// Ports, as they are given to programs with the option that is a password's elsewhere: `127.0.0.1:8080:80/tcp`.
fn is_ports(value: &[u8]) -> bool {
    let value = value.strip_suffix(b"/tcp").or_else(|| value.strip_suffix(b"/udp")).unwrap_or(value);
    let is_number =
        |part: &[u8]| !part.is_empty() && part.iter().all(|byte| byte.is_ascii_digit() || b".-".contains(byte));
    value.contains(&b':') && value.split(|byte| *byte == b':').all(is_number)
}

/// Words that stand for a secret in documents, tests and code.
fn is_word(value: &[u8]) -> bool {
    const WORDS: [&str; 74] = [
        "password",
        "passwd",
        "passphrase",
        "pass",
        "secret",
        "token",
        "key",
        "apikey",
        "api_key",
        "none",
        "null",
        "nil",
        "true",
        "false",
        "yes",
        "no",
        "prompt",
        "ask",
        "stdin",
        "env",
        "file",
        "user",
        "username",
        "admin",
        "root",
        "test",
        "testing",
        "postgres",
        "mysql",
        "guest",
        "default",
        "foo",
        "bar",
        "baz",
        "foobar",
        "string",
        "str",
        "value",
        "optional",
        "required",
        "undefined",
        "empty",
        "anonymous",
        "anything",
        "through",
        "store",
        "cache",
        "libsecret",
        "osxkeychain",
        "manager",
        "auto",
        "always",
        "never",
        "enabled",
        "disabled",
        "on",
        "off",
        "int",
        "bytes",
        "text",
        "hidden",
        "interactive",
        "credential",
        "credentials",
        "pw",
        "pwd",
        "mypassword",
        "mysecret",
        "mytoken",
        "changeme",
        "change_me",
        "change-me",
        "todo",
        "tbd",
    ];
    const PARTS: [&str; 14] = [
        "example",
        "your",
        "placeholder",
        "redacted",
        "dummy",
        "xxxx",
        "****",
        "changeme",
        "replace",
        "fake",
        "sample",
        "insert",
        "<",
        "my-",
    ];
    let lower = String::from_utf8_lossy(value).to_ascii_lowercase();
    WORDS.contains(&lower.as_str()) || PARTS.iter().any(|part| lower.contains(part))
}

fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn starts_with_any(value: &[u8], beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| {
        value.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning.as_bytes()))
    })
}

/// Small letter, capital, digit, anything else.
fn kind(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    }
}

/// Bits a byte, as far as the value itself tells (Shannon).
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let total = value.len() as f64;
    let share = |count: &u32| f64::from(*count) / total;
    counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_secrets_place_is_told_from_a_secret() {
        for value in [
            "hunter2",
            "Tr0ub4dor&3",
            "correct-horse-battery",
            "1234",
            "p/w0rd",
            "12:34a",
            "$ecret!x".trim_start_matches('$'),
        ] {
            assert!(is_value(value.as_bytes(), false), "{value}");
        }
        for value in [
            "$TOKEN",
            "${TOKEN}",
            "$(pass show x)",
            "`cat f`",
            "<token>",
            "{{ token }}",
            "%PASS%",
            "xxxxxxxx",
            "********",
            "password",
            "PASSWORD",
            "your-token",
            "/run/secrets/x",
            "~/.pw",
            "./pw",
            "@file",
            "[^&]+",
            ".*",
            "key.pem",
            "env:PW",
            "",
            "ab",
            "changeme",
            "...",
            "-",
            "27017:27017",
            "127.0.0.1:8080:80/tcp",
        ] {
            assert!(!is_value(value.as_bytes(), false), "{value}");
        }
    }

    #[test]
    fn a_dollar_in_single_quotes_is_one_unless_a_variable_is_all_there_is() {
        for value in ["$uper!ecret99", "$ecret9", "`tick9", "$ECRET99"] {
            assert!(is_value(value.as_bytes(), true) && !is_value(value.as_bytes(), false), "{value}");
        }
        for value in ["$TOKEN", "$DB_PASSWORD", "${TOKEN}", "$(pass show x)", "`cat f`"] {
            assert!(!is_value(value.as_bytes(), true), "{value}");
        }
    }

    #[test]
    fn chance_is_told_from_words_and_numbers() {
        for value in ["9f3ab27c01d44e8fa6b1c97350e2d8aa", "Zx81kQpLm20VtR7wYc3N", "k3j5h2g9d8s7a6f5d4s3a2q1"] {
            assert!(is_random(value.as_bytes()), "{value}");
        }
        for value in [
            "customer_account_identifier",
            "2026-03-01T12:00:00Z",
            "1234567890123456",
            "aaaaaaaaaaaaaaaaaaaa",
            "123e4567-e89b-12d3-a456-426614174000",
            "short1A",
            "/usr/local/Cellar/openssl/3.0",
            "deadbeefdeadbeef",
            "AbstractSingletonProxyFactoryBean2Impl",
        ] {
            assert!(!is_random(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn names_say_what_is_public_and_what_counts() {
        assert!(is_public_name(b"GIT_COMMIT") && is_public_name(b"IMAGE_SHA256") && is_public_name(b"BUILD_ID"));
        assert!(!is_public_name(b"ACME_SERVICE"));
        for (name, value) in [("MAX_TOKEN", "4096"), ("max_token", "1000000"), ("export-secret-key", "ABCDEF12")] {
            assert!(is_other_name(name.as_bytes(), value.as_bytes()), "{name} {value}");
        }
        for (name, value) in [("DB_PASSWORD", "4096"), ("TOKEN", "40961234"), ("secret-key", "ABCDEF12")] {
            assert!(!is_other_name(name.as_bytes(), value.as_bytes()), "{name} {value}");
        }
    }
}
