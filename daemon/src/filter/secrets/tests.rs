//! Each pattern alone: what it must find and must not, and what masks and odd bytes do.

use super::{
    template::{Seed, fill},
    *,
};

#[test]
fn ds004_every_pattern_finds_its_example_and_nothing_finds_its_lookalike() {
    for pattern in patterns::all() {
        // By its name, so that a new pattern changes nothing for the others.
        let salt: u64 = pattern.id.bytes().map(u64::from).sum();
        for round in 0..20 {
            let mut seed = Seed(round * 10_000 + salt);
            let example = fill(pattern.example, &mut seed);
            let kinds: Vec<&Kind> = RECOGNIZER.candidates(example.as_bytes()).collect();
            let own = kinds.iter().find(|kind| kind.pattern.id == pattern.id);
            let own = own.unwrap_or_else(|| panic!("{}: no needle is in its example: {example}", pattern.id));
            assert!(own.search(example.as_bytes()).next().is_some(), "{}: {example}", pattern.id);
            let lookalike = fill(pattern.lookalike, &mut seed);
            assert_eq!(first(lookalike.as_bytes()), None, "{}: {lookalike}", pattern.id);
        }
    }
}

#[test]
fn patterns_have_names_of_their_own_and_needles_in_small_letters() {
    let mut ids = std::collections::HashSet::new();
    for pattern in patterns::all() {
        assert!(ids.insert(pattern.id), "{}", pattern.id);
        assert!(!pattern.needles.is_empty() && !pattern.what.is_empty(), "{}", pattern.id);
        assert!(pattern.needles.iter().all(|needle| *needle == needle.to_ascii_lowercase()), "{}", pattern.id);
    }
}

#[test]
fn ds004_a_mask_hides_the_secret_and_leaves_the_rest() {
    let check = |line: &str, expected: &str| {
        let masked = masked(line.as_bytes()).map(|text| String::from_utf8(text).expect("text"));
        assert_eq!(masked.as_deref(), Some(expected), "{line}");
    };
    check("curl -u ada:hunter2 https://h.example/x", "curl -u ada:**** https://h.example/x");
    check("mysql -u root -phunter2 app", "mysql -u root -p**** app");
    check("export A_TOKEN=hunter22 B_PASSWORD='tr0ub4dor'; ls", "export A_TOKEN=**** B_PASSWORD='****'; ls");
    check("psql postgres://app:s3cr3tx@db/app", "psql postgres://app:****@db/app");
    assert_eq!(masked(b"ls -l"), None);
    assert_eq!(masked(&masked(b"mysql -phunter2").expect("masked")), None, "what is masked holds no secret");
}

/// For each kind whose secret is whatever a person chose: commands in which `{q}` is that, within quotes.
const QUOTED: &[(&str, &[&str])] = &[
    ("authorization", &["curl -H 'Authorization: Bearer {q}' h", "http h Authorization:'Bearer {q}' -v"]),
    ("key-header", &["curl -H 'X-Api-Key: {q}' h", "curl -H \"X-Api-Key: {q}\" h"]),
    (
        "json-password",
        &["curl -d '{\"password\":\"{q}\"}' h", "curl -d \"{\\\"password\\\": \\\"{q}\\\", \\\"a\\\": 1}\" h"],
    ),
    (
        "sql-password",
        &["psql -c \"ALTER USER app WITH PASSWORD '{q}'\"", "psql -c \"CREATE USER a PASSWORD '{q}''{q}'\""],
    ),
    ("password-option", &["restic init --password '{q}' -v", "restic init --password=\"{q}\" -v"]),
    ("pass-option", &["camera --pass '{q}'", "camera --user_pass=\"{q}\" -v", "forum /pass:\"{q}\""]),
    (
        "mysql",
        &["mysql -u root -p'{q}' app", "mysqladmin -u root password \"{q}\"", "docker exec db mysql -p\"{q}\" app"],
    ),
    ("sshpass", &["sshpass -p \"{q}\" ssh h", "sshpass -p'{q}' ssh h"]),
    ("login-option", &["docker login -u ada -p '{q}' r.example", "bw unlock \"{q}\""]),
    (
        "curl-user",
        &["curl -u 'ada:{q}' h", "curl -u ada:'{q}' h", "curl -u \"ada:{q}\" h", "ssh h 'curl -u \"ada:{q}\" h'"],
    ),
    (
        "openssl",
        &["openssl rsa -in k -passin 'pass:{q}' -v", "openssl rsa -in k -passin pass:\"{q}\"", "ssh-keygen -N '{q}'"],
    ),
    ("keytool", &["keytool -list -storepass '{q}' -v"]),
    ("redis-mongo", &["redis-cli -a '{q}' info", "sqlplus app/\"{q}\"@db", "mongosh --eval \"db.auth('root','{q}')\""]),
    ("ldap-smb", &["smbclient //h/s -U 'ada%{q}'", "smbclient //h/s -U ada%'{q}'", "ldapsearch -x -w \"{q}\" -b dc=a"]),
    ("ldappasswd", &["ldappasswd -D cn=a -s '{q}' uid=ada"]),
    ("archive", &["zip -r -P '{q}' a.zip a", "7z a -p\"{q}\" a.7z a"]),
    ("htpasswd", &["htpasswd -cb .htpasswd ada '{q}'", "htpasswd -nb 'ada' \"{q}\" > f"]),
    ("piped-password", &["echo '{q}' | sudo -S ls", "echo \"ada:{q}\" | sudo chpasswd", "sudo -S ls <<< '{q}'"]),
    ("wifi", &["nmcli device wifi connect Home password '{q}'", "wpa_passphrase 'My Home' \"{q}\" > f"]),
    (
        "vault",
        &["vault kv put secret/app password='{q}' a=b", "kubectl create secret generic a --from-literal=b='{q}'"],
    ),
    ("netrc", &["echo 'machine h login ada password \"{q}\"' >> ~/.netrc"]),
    ("storage", &["mount -t cifs //h/s /m -o \"user=ada,pass={q}\" -v", "mc alias set nas https://h key '{q}'"]),
    ("assignment", &["export DB_PASSWORD='{q}'", "docker run -e \"DB_PASSWORD={q}\" app", "A_TOKEN=\"{q}\" b"]),
    ("short-assignment", &["DB_PASS=\"{q}\" ./server", "echo 'DB_PASS={q}' >> .env"]),
    ("fish-powershell", &["set -gx OPENAI_API_KEY '{q}'", "$env:API_TOKEN = \"{q}\""]),
    ("registry-auth", &["npm config set //h/:_authToken='{q}'", "twine upload -u ada -p '{q}' dist"]),
];

/// Kinds that end by their own form, whatever is around them.
const IN_ADDRESSES: [&str; 2] = ["url-password", "query-token"];

#[test]
fn ds004_a_mask_hides_all_of_a_quoted_secret() {
    for pattern in patterns::all().filter(|pattern| pattern.proof == Proof::Value) {
        let is_here = |(id, _): &&(&str, &[&str])| *id == pattern.id;
        let Some((_, lines)) = QUOTED.iter().find(is_here) else {
            assert!(IN_ADDRESSES.contains(&pattern.id), "{} has no quoted secret above", pattern.id);
            continue;
        };
        for (line, sign) in
            lines.iter().flat_map(|line| [" ", ",", ";", "&", ")", "\\", "\\\"", "'\\''"].map(|sign| (line, sign)))
        {
            let secret = ["Zk81mQp2", "Lw4vXs9t", "Tr0ub4dor"].join(sign);
            let is_single = line
                .find("{q}")
                .and_then(|at| line[..at].rfind(['\'', '"']))
                .is_some_and(|at| line[at..].starts_with('\''));
            // An escape of the one kind of quotes is the end of the other.
            if sign.len() > 1 && (is_single != (sign == "'\\''") || line.matches(['\'', '"']).count() > 2) {
                continue;
            }
            let line = line.replace("{q}", &secret);
            let masked = masked(line.as_bytes()).unwrap_or_else(|| panic!("{}: {line}", pattern.id));
            let masked = String::from_utf8(masked).expect("text");
            let survives = ["Zk81", "Lw4v", "Tr0ub"].iter().any(|piece| masked.contains(piece));
            assert!(!survives, "{}: {line}: {masked}", pattern.id);
        }
    }
}

#[test]
fn ds004_a_mask_ends_where_the_quotes_do() {
    let check = |line: &str, expected: &str| {
        let masked = masked(line.as_bytes()).map(|text| String::from_utf8(text).expect("text"));
        assert_eq!(masked.as_deref(), Some(expected), "{line}");
    };
    check("export DB_PASSWORD='tr0ub 4dor, x' A=b; ls", "export DB_PASSWORD='****' A=b; ls");
    check("curl -u 'ada:tr0ub 4dor' https://h", "curl -u 'ada:****' https://h");
    check(r#"curl -d '{"password":"tr0ub\"4dor x","a":1}' h"#, r#"curl -d '{"password":"****","a":1}' h"#);
    check(r#"curl -d "{\"password\":\"tr0ub\\\"4 x\",\"a\":1}" h"#, r#"curl -d "{\"password\":\"****\",\"a\":1}" h"#);
    check(r"mysql -p'tr0ub'\''4dor x' app", r"mysql -p'****' app");
    check("psql -c \"ALTER USER a PASSWORD 'tr0ub''4 x'; COMMIT\"", "psql -c \"ALTER USER a PASSWORD '****'; COMMIT\"");
    check(r"export A_TOKEN=tr0ub\ 4dor\;x B=c", "export A_TOKEN=**** B=c");
    // One word among others ends as a word does, and a field of an address with the field.
    check("ssh h 'mysql -uroot -ptr0ub4dor app'", "ssh h 'mysql -uroot -p**** app'");
    check("psql 'host=h password=tr0ub,4dor;x dbname=a'", "psql 'host=h password=**** dbname=a'");
    check("curl 'https://h/x?a=1&api_key=tr0ub4dor,x&b=2'", "curl 'https://h/x?a=1&api_key=****&b=2'");
    // What nothing closes may go on to the end.
    check("export DB_PASSWORD='tr0ub 4dor", "export DB_PASSWORD='****");
    check("# don't\nexport DB_PASSWORD='tr0ub 4dor' A=b", "# don't\nexport DB_PASSWORD='****' A=b");
}

#[test]
fn ds004_a_quoted_secret_is_judged_as_a_whole_and_a_dollar_in_single_quotes_is_one() {
    for line in [
        "export PASSPHRASE='the quick brown fox jumps'",
        "export DB_PASSWORD=\"my dog has fleas 42\"",
        "export DB_PASSWORD='ab,Kz81mQp2Lw'",
        "export DB_PASSWORD=\"I'm a dog\"",
        "export DB_PASSWORD=\"tr0ub4dor is your password\"",
        "mysql -u root -p'$uper!ecret99' app",
        "export DB_PASSWORD='$uperSecret1'",
        "export DB_PASSWORD='`tick9'",
        "curl -u ada:'$ecret99' https://h",
        "curl -u 'ada:$ecret99' https://h",
        "echo '$ecret99' | sudo -S ls",
        "echo 'my dog has fleas' | sudo -S ls",
        "echo tr0ub4dor | su - root",
        "echo tr0ub4dor | su -c id",
        "echo -e 'tr0ub4dor\\ntr0ub4dor' | passwd ada",
        "printf 'tr0ub4dor\\ntr0ub4dor\\n' | sudo passwd ada",
        "sudo -S ls <<< tr0ub4dor",
        "sudo -S ls <<< 'my dog has fleas'",
        "app --user_pass=tr0ub4dor",
    ] {
        assert!(first(line.as_bytes()).is_some(), "{line}");
    }
    for line in [
        "export DB_PASSWORD=\"$uperSecret1\"",
        "export DB_PASSWORD='$OTHER_PASSWORD'",
        "export DB_PASSWORD='${OTHER_PASSWORD}'",
        "export DB_PASSWORD='$(pass show db)'",
        "ssh h 'mysql -p$pw app'",
        "sh -c 'DB_PASSWORD=$pw ./server'",
        "bash -c \"export DB_PASSWORD='$pw'\"",
        "curl -u \"ada:$pw\" https://h",
        "echo 'DB_PASSWORD=' >> .env && cat 'notes and more'",
        "echo \"DB_PASSWORD=\" >> .env",
        "export DB_PASSWORD='' PATH=\"/opt/bin:$PATH\"",
        "echo '$pw' > note",
        "echo ls -l | su - ada",
        "echo 'systemctl restart app' | su - ada",
        "sudo tee /etc/motd <<< 'my dog has fleas'",
        "echo done | tee passwd",
        "ansible-playbook --ask-pass site.yml",
    ] {
        assert_eq!(first(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn ds004_everyday_commands_beside_those_with_a_password_are_kept() {
    for line in [
        "docker run -d --name mongo -p 27017:27017 mongo",
        "docker run -d --name mongo -p 127.0.0.1:27017:27017 mongo",
        "docker run -d -p 27017:27017 --network mongo mongo",
        "find . -name 'mysql*' -print",
        "find . -name '*.rar' -print",
        "find . -name \"*.7z\" -path './old/*' -prune",
        "find /etc/mysql -path '*/conf.d/*' -print",
        "find /var/lib/mysql -perm -4000",
        "find / -name mariadb -prune",
        "find / -iname mongo -print",
        "ldapsearch -x -s base -b dc=acme",
        "ldapsearch -x -s sub -S uid -b dc=acme",
        "ldapsearch -x -s one '(uid=ada)'",
        "gpg --export-secret-key ABCDEF12",
        "gpg --armor --export-secret-keys ABCDEF12",
        "python train.py --max_token 1000000",
        "python train.py --limit-token=1000000",
        "git checkout -b feature/token=refresh",
        "git push origin feature/password=optional",
    ] {
        assert_eq!(first(line.as_bytes()), None, "{line}");
    }
    for line in [
        "docker run -d --name mongo -p 27017:27017 mongo mongosh -u ada -p tr0ub4dor",
        "docker exec -it mongo mongosh -u ada -p tr0ub4dor",
        "find . -name mysql -exec mysql -uroot -ptr0ub4dor ';'",
        "sudo -u mysql mysql -uroot -ptr0ub4dor",
        "/usr/local/mysql/bin/mysql -uroot -ptr0ub4dor",
        "ssh h 'mysqldump -ptr0ub4dor app'",
        "while ! mysqladmin -ptr0ub4dor ping; do sleep 1; done",
        "\"C:/tools/7z.exe\" a -ptr0ub4dor a.7z a",
        "7z x -ptr0ub4dor a.rar",
        "ldapsearch -x -s base -w tr0ub4dor",
        "ldappasswd -x -D cn=a -w tr0ub4dor uid=ada",
        "ldappasswd -x -D cn=a -W -s tr0ub4dor uid=ada",
        "python train.py --token 10000000",
        "gpg --passphrase tr0ub4dor --export-secret-key ABCDEF12",
        "sed -i 's/^token=.*/token=tr0ub4dor/' .env",
        "curl https://h.example/a/token=tr0ub4dor",
    ] {
        assert!(first(line.as_bytes()).is_some(), "{line}");
    }
    let both = "ldappasswd -D cn=a -w tr0ub4dor -s tr0ub4dor uid=ada";
    assert_eq!(masked(both.as_bytes()).as_deref(), Some(&b"ldappasswd -D cn=a -w **** -s **** uid=ada"[..]));
}

#[test]
fn a_line_of_nothing_but_quoted_passwords_is_looked_through_at_once() {
    // Each of these would be gone through once for every password in it, were there no end to how far a word goes.
    for (before, each) in
        [("'", "password=a,"), ("'?", "password=abcd,"), ("\"x ", "password=abcd,"), ("", "password='x ")]
    {
        let line = [before, &each.repeat(40_000)].concat();
        masked(line.as_bytes());
    }
    assert_eq!(first("/mysql ".repeat(40_000).as_bytes()), None);
}

#[test]
fn the_page_of_the_rules_lists_every_kind() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recording-rules.md"));
    let kept = page.expect("there");
    assert!(kept.contains(&super::page()), "docs/recording-rules.md is stale; its table is to be:\n{}", super::page());
}

#[test]
fn any_bytes_are_looked_through_without_panic() {
    proptest::proptest!(|(before: Vec<u8>, after: Vec<u8>)| {
        let line = [&before[..], b" --password=\xff\xfe TOKEN=", &after[..]].concat();
        for found in all(&line) {
            proptest::prop_assert!(found.span.end <= line.len());
        }
    });
}

#[test]
fn quotes_in_any_order_are_gone_through_and_the_first_secret_is_one_of_all() {
    const PIECES: [&str; 14] =
        ["'", "\"", "\\", " ", "password=", "\"password\":", "mysql ", "-p", "/", "?", "&", "hunter2", "\n", "é"];
    let lines = proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..24);
    proptest::proptest!(|(line in lines)| {
        let line = line.concat();
        let (first, all) = (first(line.as_bytes()), all(line.as_bytes()));
        proptest::prop_assert_eq!(first.is_some(), !all.is_empty());
        for Found { span, .. } in all {
            proptest::prop_assert!(span.start <= span.end && span.end <= line.len());
        }
    });
}

#[test]
fn a_line_of_a_megabyte_is_looked_through_at_once() {
    // Every needle at every place: the worst that a line can be, were the expressions not linear.
    let line = "password=$x -p token=$y ://a:$z@b ".repeat(30_000);
    assert_eq!(first(line.as_bytes()), None);
    let mut late = line.into_bytes();
    late.splice(0..0, *b"mysql -phunter2 ; ");
    assert_eq!(first(&late).map(|found| found.span), Some(8..15));
}
