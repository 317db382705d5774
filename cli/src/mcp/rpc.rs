//! JSON-RPC 2.0 as the protocol has it: one message a line, in and out. Whatever comes is answered in the right form, or
//! not at all where it is a notification; nothing ends the reading but the end of the input.

use std::io::{self, BufRead, Read};

use serde_json::{Map, Value, json};

/// Bytes of a message. A question is far smaller, and what is larger is passed over without being kept.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Messages in one line. Only one version of the protocol has several at all.
const BATCH_MAX: usize = 32;

/// Why something is not answered with a result: the number that the specification gives, and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i32,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Not JSON.
pub(super) const PARSE: i32 = -32_700;
/// JSON, and no request.
pub(super) const INVALID: i32 = -32_600;
/// No such method.
pub(super) const METHOD: i32 = -32_601;
/// A method that exists, with something that it does not take.
pub(super) const PARAMETERS: i32 = -32_602;

/// Something that was asked.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) parameters: &'a Value,
}

/// Answers every line of an input. `answer` is given each question, and whether an answer is expected; `write` takes each
/// line of the output.
///
/// # Errors
/// When the input cannot be read or the output cannot be written.
pub(super) fn each_line(
    mut input: impl BufRead,
    mut answer: impl FnMut(&Asked<'_>) -> Result<Value, Refusal>,
    mut write: impl FnMut(&Value) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        Read::take(&mut input, LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.len() > LINE_BYTES_MAX && line.last() != Some(&b'\n') {
            input.skip_until(b'\n')?;
            write(&refused(
                &Value::Null,
                &Refusal::new(PARSE, format!("a message has at most {LINE_BYTES_MAX} bytes")),
            ))?;
        } else if !line.trim_ascii().is_empty()
            && let Some(told) = line_answered(&line, &mut answer)
        {
            write(&told)?;
        }
    }
}

fn line_answered(line: &[u8], answer: &mut impl FnMut(&Asked<'_>) -> Result<Value, Refusal>) -> Option<Value> {
    let message: Value = match serde_json::from_slice(line) {
        Ok(message) => message,
        Err(_) => return Some(refused(&Value::Null, &Refusal::new(PARSE, "this is not JSON"))),
    };
    match message {
        Value::Array(messages) if messages.is_empty() || messages.len() > BATCH_MAX => {
            Some(refused(&Value::Null, &Refusal::new(INVALID, format!("a batch has 1 to {BATCH_MAX} messages"))))
        }
        Value::Array(messages) => {
            let told: Vec<Value> = messages.iter().filter_map(|message| answered(message, answer)).collect();
            (!told.is_empty()).then_some(Value::Array(told))
        }
        message => answered(&message, answer),
    }
}

/// The answer to one message, none to a notification and to an answer.
fn answered(message: &Value, answer: &mut impl FnMut(&Asked<'_>) -> Result<Value, Refusal>) -> Option<Value> {
    let invalid = |id: &Value, why: &str| Some(refused(id, &Refusal::new(INVALID, why)));
    let Value::Object(message) = message else { return invalid(&Value::Null, "a message is an object") };
    let id = message.get("id");
    let known = id.filter(|id| id.is_string() || id.is_number());
    if message.get("jsonrpc") != Some(&json!("2.0")) {
        return invalid(known.unwrap_or(&Value::Null), "jsonrpc is \"2.0\"");
    }
    if is_answer(message) {
        // We ask nothing, so it answers nothing.
        return None;
    }
    let Some(Value::String(method)) = message.get("method") else {
        return invalid(known.unwrap_or(&Value::Null), "method is a text");
    };
    if id.is_some() && known.is_none() {
        return invalid(&Value::Null, "id is a text or a number");
    }
    let told = answer(&Asked { method, parameters: message.get("params").unwrap_or(&Value::Null) });
    let id = known?;
    Some(match told {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(refusal) => refused(id, &refusal),
    })
}

fn is_answer(message: &Map<String, Value>) -> bool {
    !message.contains_key("method") && (message.contains_key("result") || message.contains_key("error"))
}

fn refused(id: &Value, refusal: &Refusal) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": refusal.code, "message": refusal.message } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(input: &[u8]) -> (Vec<String>, Vec<Value>) {
        let (mut asked, mut told) = (Vec::new(), Vec::new());
        let answer = |question: &Asked<'_>| {
            asked.push(question.method.to_owned());
            if question.method == "good" { Ok(question.parameters.clone()) } else { Err(Refusal::new(METHOD, "no")) }
        };
        each_line(input, answer, |value| {
            told.push(value.clone());
            Ok(())
        })
        .expect("read and written");
        (asked, told)
    }

    #[test]
    fn questions_are_answered_with_their_id_and_notifications_not_at_all() {
        let (asked, told) = talk(
            b"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"good\",\"params\":{\"x\":1}}\n\n\
              {\"jsonrpc\":\"2.0\",\"method\":\"good\"}\r\n{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"bad\"}\n\
              {\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}",
        );
        assert_eq!(asked, ["good", "good", "bad"]);
        assert_eq!(told.len(), 2);
        assert_eq!((&told[0]["id"], &told[0]["result"]["x"]), (&json!("a"), &json!(1)));
        assert_eq!((&told[1]["id"], &told[1]["error"]["code"]), (&json!(7), &json!(METHOD)));
    }

    #[test]
    fn what_is_no_question_is_refused_in_the_right_form_and_the_next_is_read() {
        for (line, code) in [
            (&b"nonsense"[..], PARSE),
            (b"{\"jsonrpc\":\"2.0\",", PARSE),
            (b"\xff\xfe", PARSE),
            (b"1", INVALID),
            (b"[]", INVALID),
            (b"{}", INVALID),
            (b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"good\"}", INVALID),
            (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", INVALID),
            (b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"good\"}", INVALID),
        ] {
            let input = [line, b"\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"good\"}"].concat();
            let (_, told) = talk(&input);
            assert_eq!(told.len(), 2, "{}", String::from_utf8_lossy(line));
            assert_eq!((&told[0]["error"]["code"], &told[0]["jsonrpc"]), (&json!(code), &json!("2.0")));
            assert!(told[1].get("result").is_some());
        }
    }

    #[test]
    fn a_batch_is_answered_as_one_and_a_long_line_is_passed_over() {
        let batch = b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"good\"},{\"jsonrpc\":\"2.0\",\"method\":\"good\"},3]";
        let (_, told) = talk(batch);
        assert_eq!(told[0].as_array().map(Vec::len), Some(2));
        let long = [vec![b'x'; LINE_BYTES_MAX + 10], b"\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"good\"}".to_vec()]
            .concat();
        let (_, told) = talk(&long);
        assert_eq!((told.len(), &told[0]["error"]["code"]), (2, &json!(PARSE)));
    }

    #[test]
    fn any_bytes_are_read_to_their_end() {
        proptest::proptest!(|(bytes: Vec<u8>)| { talk(&bytes); });
    }
}
