//! Fills templates with made-up secrets, from a seed: `{a36}` is 36 letters and digits, `{A16}` capitals and digits,
//! `{h40}` hexadecimal, `{b40}` base64, `{d10}` digits, `{w}` what people choose as a password. So no file of the
//! project holds anything that is, or looks like, a secret. Only tests use it.

/// A small generator (splitmix64): the same seed gives the same corpus on every machine.
pub(super) struct Seed(pub(super) u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[(self.next() % from.len() as u64) as usize]
    }

    fn letters(&mut self, alphabet: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(*self.pick(alphabet))).collect()
    }
}

const DIGITS: &[u8] = b"0123456789";
const HEX: &[u8] = b"0123456789abcdef";
const CAPITALS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Fills a template. What is in braces and is none of ours stays as it is.
pub(super) fn fill(template: &str, seed: &mut Seed) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, after) = rest.split_at(open);
        text.push_str(before);
        let inside = after[1..].find('}').map(|close| &after[1..=close]);
        match inside.and_then(|inside| Some((made(inside, seed)?, inside.len()))) {
            Some((value, length)) => {
                text.push_str(&value);
                rest = &after[length + 2..];
            }
            None => {
                text.push('{');
                rest = &after[1..];
            }
        }
    }
    text + rest
}

fn made(inside: &str, seed: &mut Seed) -> Option<String> {
    if inside == "w" {
        return Some(password(seed));
    }
    let count = inside.get(1..)?.parse().ok()?;
    match inside.as_bytes()[0] {
        b'a' => Some(seed.letters(MIXED, count)),
        b'A' => Some(seed.letters(CAPITALS, count)),
        b'h' => Some(seed.letters(HEX, count)),
        b'b' => Some(seed.letters(BASE64, count)),
        b'd' => Some(seed.letters(DIGITS, count)),
        _ => None,
    }
}

/// Words with a number, words with replaced letters, joined words, and what a generator of passwords gives.
fn password(seed: &mut Seed) -> String {
    const WORDS: [&str; 16] = [
        "summer", "dragon", "hunter", "monkey", "coffee", "purple", "winter", "banana", "rocket", "marble", "ginger",
        "falcon", "copper", "velvet", "pepper", "silver",
    ];
    match seed.next() % 6 {
        0 => format!("{}{}", seed.pick(&WORDS), seed.letters(DIGITS, 2)),
        1 => {
            let word = seed.pick(&WORDS).replace('e', "3").replace('a', "4");
            format!("{}{}!", word[..1].to_uppercase(), &word[1..])
        }
        2 => format!("{}-{}-{}", seed.pick(&WORDS), seed.pick(&WORDS), seed.pick(&WORDS)),
        3 => seed.letters(MIXED, 12),
        4 => format!(
            "{}{}{}",
            seed.letters(MIXED, 5),
            seed.pick(&["#", "!", "%", "+", "_", "."]),
            seed.letters(MIXED, 6)
        ),
        _ => format!("{}{}", seed.pick(&WORDS), seed.pick(&["2024", "2025", "1!", "123", "_prod"])),
    }
}
