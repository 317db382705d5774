//! Secrets in addresses, headers and bodies of requests.

use super::{
    Pattern,
    Proof::{Random, Value},
};

/// By what stands in front of them.
pub(super) const PATTERNS: &[Pattern] = &[
    Pattern {
        id: "authorization",
        what: "a header that proves who one is",
        needles: &["authorization"],
        regex: r#"(?i)\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic|digest|token|apikey|api-key|key|splunk|negotiate|aws4-hmac-sha256|ghost|genie ?key|zoho-oauthtoken|sso-key)\s+)?(?:token=|oauth_token=)?["']?(?P<rest>[A-Za-z0-9_.~+/=:%-]{8,})"#,
        proof: Value,
        example: "curl -H 'Authorization: Bearer {a40}' https://api.example.org/v1/me",
        lookalike: "curl -H \"Authorization: Bearer $TOKEN\" https://api.example.org/v1/me",
    },
    Pattern {
        id: "key-header",
        what: "a header with a key",
        needles: &["-key", "-token", "apikey", "api_key", "-auth", "-secret"],
        regex: r#"(?i)["'\s](?:x-)?(?:[a-z0-9]+-){0,3}(?:api-?key|api_key|auth-(?:key|token|email-key)|access-token|access-key|private-token|vault-token|gitlab-token|subscription-key|application-key|csrf-token|session-token|security-token|service-token|admin-key|secret-key|auth-secret|api-token|token)\s*:\s*(?P<rest>[A-Za-z0-9_.~+/=-]{8,})"#,
        proof: Value,
        example: "http GET api.example.org/items 'X-Api-Key:{a32}'",
        lookalike: "curl -H 'X-Api-Key: <your-key>' https://api.example.org",
    },
    Pattern {
        id: "cookie",
        what: "a session's cookie",
        needles: &["cookie", "--cookie", " -b "],
        regex: r#"(?i)\bcookie["']?\s*[:=]\s*["']?[^'"\n]*?\b[a-z0-9_.-]*(?:sess|sid|auth|token|jwt|remember)[a-z0-9_.-]*=(?P<rest>[A-Za-z0-9_.~+/=%-]{16,})"#,
        proof: Random,
        example: "curl -H 'Cookie: theme=dark; sessionid={a32}' https://app.example.org/",
        lookalike: "curl -c cookies.txt -b cookies.txt https://app.example.org/session=aaaaaaaaaaaaaaaa",
    },
    Pattern {
        id: "url-password",
        what: "a password in an address",
        needles: &["://"],
        regex: r#"\b[A-Za-z][A-Za-z0-9+.-]*://(?P<user>[^\s/:@'"?#$<{]*):(?P<s>[^\s/@'"]+)@[A-Za-z0-9\[$]"#,
        proof: Value,
        example: "psql postgres://app:{w}@db.example.org:5432/app",
        lookalike: "psql postgres://app:$PGPASSWORD@db.example.org:5432/app",
    },
    Pattern {
        id: "url-token",
        what: "a token in an address",
        needles: &["://"],
        regex: r#"\bhttps?://(?P<s>[A-Za-z0-9_-]{20,})(?::x-oauth-basic)?@[A-Za-z0-9]"#,
        proof: Random,
        example: "git remote add deploy https://{h40}@git.example.org/acme/app.git",
        lookalike: "git clone https://build-and-release-team@git.example.org/acme/app.git",
    },
    Pattern {
        id: "query-token",
        what: "a key in an address's query",
        needles: &["key=", "token=", "secret=", "signature=", "auth=", "password=", "passwd=", "pwd=", "sig=", "code="],
        regex: r##"(?i)[?&](?:[a-z0-9_.-]*(?:access_token|api_?key|api-key|auth_?token|client_secret|secret|password|passwd|pwd|signature|token))=(?P<s>[^\s&'"#;|<>]{6,})|[?&](?:key|auth|sig|code)=(?P<t>[A-Za-z0-9_.%+/=-]{20,})"##,
        proof: Value,
        example: "wget 'https://api.example.org/export?format=csv&api_key={a32}'",
        lookalike: "curl 'https://api.example.org/items?page_token=&sort_key=name&key=name'",
    },
    Pattern {
        id: "json-password",
        what: "a password in the body of a request",
        needles: &["pass", "secret", "token", "key", "pwd"],
        regex: r#"(?i)(?:\\?["']|[\s{,(])(?:[a-z0-9_-]*(?:password|passwd|passphrase|secret|token|api_?key|access_?key|private_?key)|pass|pwd)(?:\\?["'])?\s*:\s*\\?(?P<s>["'])"#,
        proof: Value,
        example: r#"curl -d '{"user":"ada","password":"{w}"}' https://app.example.org/login"#,
        lookalike: r#"jq '{"token": "string"}' schema.json && jq '."password" : "<secret>"' x"#,
    },
    Pattern {
        id: "sql-password",
        what: "a password in SQL",
        needles: &["identified", "password"],
        regex: r#"(?i)\b(?:identified\s+(?:with\s+\w+\s+)?by|(?:with\s+)?(?:encrypted\s+)?password)\s+(?:as\s+)?(?P<s>')"#,
        proof: Value,
        example: "psql -c \"ALTER USER app WITH PASSWORD '{w}'\"",
        lookalike: "psql -c 'SELECT password FROM users'",
    },
];
