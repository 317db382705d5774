//! What a filter asks of the assistant that made a command. Knows what assistants say, and no rows.

use caro_schema::{body::history::Assistant, ipc::history::Made};

/// Whether an assistant said what is asked for. Where nothing is, a command that a person typed passes too.
pub(super) fn was_made(made: &Made, assistant: Option<&Assistant>) -> bool {
    let Made { by, tag, safety, words } = made;
    let Some(assistant) = assistant else { return made.is_empty() };
    by.as_ref().is_none_or(|by| assistant.author == *by || has(&assistant.model, by))
        && tag.as_ref().is_none_or(|tag| assistant.tags.contains(tag))
        && safety.as_ref().is_none_or(|safety| assistant.safety == *safety)
        && words.as_ref().is_none_or(|words| has(&assistant.prompt, words) || has(&assistant.explanation, words))
}

/// Whether a text has words in it, by smart case.
fn has(text: &str, words: &str) -> bool {
    if words.chars().any(char::is_uppercase) { text.contains(words) } else { text.to_lowercase().contains(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assistant() -> Assistant {
        Assistant {
            prompt: "Tidy the Build folder".to_owned(),
            explanation: "removes what was built".to_owned(),
            model: "Big-Model-4".to_owned(),
            safety: "high".to_owned(),
            tags: vec!["cleanup".to_owned()],
            author: "claude-code".to_owned(),
            rule: Some("rm -r".to_owned()),
        }
    }

    #[test]
    fn each_part_must_hold_and_none_lets_a_person_through() {
        let text = |text: &str| Some(text.to_owned());
        assert!(was_made(&Made::default(), None) && was_made(&Made::default(), Some(&assistant())));
        for (made, expected) in [
            (Made { by: text("claude-code"), ..Made::default() }, true),
            (Made { by: text("claude"), ..Made::default() }, false),
            (Made { by: text("model"), ..Made::default() }, true),
            (Made { by: text("MODEL"), ..Made::default() }, false),
            (Made { tag: text("cleanup"), ..Made::default() }, true),
            (Made { tag: text("clean"), ..Made::default() }, false),
            (Made { safety: text("high"), ..Made::default() }, true),
            (Made { safety: text("safe"), ..Made::default() }, false),
            (Made { words: text("build folder"), ..Made::default() }, true),
            (Made { words: text("was built"), ..Made::default() }, true),
            (Made { words: text("Was"), ..Made::default() }, false),
            (Made { tag: text("cleanup"), safety: text("safe"), ..Made::default() }, false),
        ] {
            assert_eq!(was_made(&made, Some(&assistant())), expected, "{made:?}");
            assert!(!was_made(&made, None), "{made:?}");
        }
    }
}
