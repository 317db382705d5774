//! What the JSON formats have in common: taking a field out of a value that may be anything.

use serde_json::Value;

/// A field that is a text; nothing when it is not.
pub(super) fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A field that is a whole number, or a text of one.
pub(super) fn whole(value: &Value, name: &str) -> Option<i64> {
    let field = value.get(name)?;
    field.as_i64().or_else(|| field.as_str()?.trim().parse().ok())
}

/// A field that is a number of seconds, or a text of one, in microseconds.
pub(super) fn seconds_us(value: &Value) -> Option<i64> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    micros(seconds)
}

/// Seconds in microseconds, unless it is no time at all.
pub(super) fn micros(seconds: f64) -> Option<i64> {
    let us = (seconds * 1e6).round();
    // Beyond this a float has no exact whole numbers, and no clock ever was.
    (us.is_finite() && us.abs() < 9e15).then_some(us as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_another_kind_is_none() {
        let value = serde_json::json!({"t": "x", "n": 3, "s": " 4 ", "f": 1.5, "l": []});
        assert_eq!((text(&value, "t").as_str(), text(&value, "n"), text(&value, "none")), ("x", "".into(), "".into()));
        assert_eq!([whole(&value, "n"), whole(&value, "s"), whole(&value, "l")], [Some(3), Some(4), None]);
        assert_eq!(seconds_us(&value["f"]), Some(1_500_000));
        assert_eq!(seconds_us(&serde_json::json!("1700000000.25")), Some(1_700_000_000_250_000));
        assert_eq!([micros(f64::NAN), micros(f64::INFINITY), micros(1e300)], [None; 3]);
    }
}
