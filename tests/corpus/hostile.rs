//! Reads the 300 hostile strings beside this file: what terminals obey, hide or turn around, what ends a paste, what is no
//! text, and what the formats of history files could take for their own. One list for the screen, the lists, export and
//! import; brought in by path, since each of those is tested in another crate.
//!
//! A line of the list has a `name` and the string as `text`, as `hex` where it is no text, or as `repeat` and `times` where
//! it is too long to be written down. The file itself is plain ASCII, so that looking at it is safe.

/// A string that something may stumble over.
pub(crate) struct Hostile {
    /// What it is.
    pub(crate) name: String,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
}

/// All of them.
pub(crate) fn strings() -> Vec<Hostile> {
    include_str!("hostile-strings.jsonl").lines().map(hostile).collect()
}

fn hostile(line: &str) -> Hostile {
    let value: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let field = |name: &str| value[name].as_str().map(str::to_owned);
    let name = field("name").expect("a name");
    let bytes = match (field("text"), field("hex"), field("repeat")) {
        (Some(text), None, None) => text.into_bytes(),
        (None, Some(hex), None) => hex::decode(hex).expect("hexadecimal"),
        (None, None, Some(part)) => {
            part.repeat(usize::try_from(value["times"].as_u64().expect("a number")).expect("a size")).into_bytes()
        }
        _ => panic!("{name}: one of text, hex and repeat"),
    };
    Hostile { name, bytes }
}
