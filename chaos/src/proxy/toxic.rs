//! What can be done to a connection: names, attributes and defaults are those of the Toxiproxy API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

/// What is done. Times are milliseconds, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "attributes", rename_all = "snake_case")]
pub enum Kind {
    /// Nothing.
    Noop {},
    /// Everything comes later, by `jitter` more or less.
    #[serde(rename_all = "snake_case")]
    Latency {
        /// How much later.
        #[serde(default)]
        latency: u64,
        /// Up to so much more or less.
        #[serde(default)]
        jitter: u64,
    },
    /// No more than so many thousand bytes a second; zero for no limit.
    Bandwidth {
        /// Thousands of bytes a second.
        #[serde(default)]
        rate: u64,
    },
    /// The end of a connection is passed on later.
    SlowClose {
        /// How much later.
        #[serde(default)]
        delay: u64,
    },
    /// Nothing passes, and after a while the connection is closed; zero for never.
    Timeout {
        /// After how long.
        #[serde(default)]
        timeout: u64,
    },
    /// Nothing passes, and after a while the connection is reset.
    ResetPeer {
        /// After how long.
        #[serde(default)]
        timeout: u64,
    },
    /// Everything comes in small pieces.
    Slicer {
        /// Bytes of a piece.
        #[serde(default)]
        average_size: u64,
        /// Up to so many more or less.
        #[serde(default)]
        size_variation: u64,
        /// Microseconds between two pieces.
        #[serde(default)]
        delay: u64,
    },
    /// After so many bytes the connection is closed.
    LimitData {
        /// How many.
        #[serde(default)]
        bytes: u64,
    },
    /// One bit is another one. Ours.
    Bitflip {
        /// In the content of this frame; without it, in the whole stream.
        #[serde(default)]
        frame: Option<u64>,
        /// In which byte, from zero.
        #[serde(default)]
        byte: u64,
        /// Which of its bits.
        #[serde(default)]
        bit: u64,
    },
    /// A frame comes twice. Ours.
    Dup {
        /// Which one; zero is the head of an HTTP request or answer.
        #[serde(default)]
        frame: u64,
    },
    /// A frame, and what follows it, waits. Ours.
    HoldFrame {
        /// Which one.
        #[serde(default)]
        frame: u64,
        /// How long.
        #[serde(default)]
        delay: u64,
    },
    /// The connection is closed after a frame. Ours.
    CutAfterFrame {
        /// After which one.
        #[serde(default)]
        frame: u64,
        /// And so many bytes of the next.
        #[serde(default)]
        bytes: u64,
    },
}

/// Something that is done to some of the connections of a proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Toxic {
    /// What it is called, by which it is changed and removed.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// To which way.
    pub stream: Stream,
    /// How likely it is that it is done to a connection.
    pub toxicity: f64,
}

impl Toxic {
    /// Reads what the API was given.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(value: &Value) -> Result<Self, String> {
        let stream = match value["stream"].as_str() {
            None | Some("" | "downstream") => Stream::Downstream,
            Some("upstream") => Stream::Upstream,
            Some(_) => return Err("stream was invalid, can be either upstream or downstream".to_owned()),
        };
        let kind_name = value["type"].as_str().unwrap_or_default();
        let name = match value["name"].as_str() {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("{kind_name}_{}", if stream == Stream::Upstream { "upstream" } else { "downstream" }),
        };
        let kind = kind(kind_name, &value["attributes"])?;
        let toxicity = value["toxicity"].as_f64().unwrap_or(1.0);
        Ok(Self { name, kind, stream, toxicity })
    }

    /// The same toxic with what an update names in the place of what it had.
    ///
    /// # Errors
    /// What is wrong with the update.
    pub fn updated(&self, update: &Value) -> Result<Self, String> {
        let mut whole = self.write();
        if let (Some(own), Some(given)) = (whole["attributes"].as_object_mut(), update["attributes"].as_object()) {
            own.extend(given.clone());
        }
        if let Some(toxicity) = update["toxicity"].as_f64() {
            whole["toxicity"] = json!(toxicity);
        }
        Self::read(&whole)
    }

    /// As the API shows it.
    pub fn write(&self) -> Value {
        let mut value = serde_json::to_value(&self.kind).unwrap_or_default();
        value["name"] = json!(self.name);
        value["stream"] = json!(self.stream);
        value["toxicity"] = json!(self.toxicity);
        if let Some(attributes) = value["attributes"].as_object_mut() {
            attributes.retain(|_, value| !value.is_null());
        }
        value
    }
}

fn kind(name: &str, attributes: &Value) -> Result<Kind, String> {
    let attributes = if attributes.is_null() { json!({}) } else { attributes.clone() };
    serde_json::from_value(json!({ "type": name, "attributes": attributes })).map_err(|error| {
        if error.to_string().contains("unknown variant") { "invalid toxic type".to_owned() } else { error.to_string() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_in_the_original() {
        let toxic = Toxic::read(&json!({ "type": "latency", "attributes": { "latency": 5 } })).expect("read");
        assert_eq!(toxic.name, "latency_downstream");
        assert_eq!((toxic.stream, toxic.toxicity), (Stream::Downstream, 1.0));
        assert_eq!(toxic.kind, Kind::Latency { latency: 5, jitter: 0 });
        assert_eq!(Toxic::read(&toxic.write()), Ok(toxic.clone()));
        let slower = toxic.updated(&json!({ "attributes": { "jitter": 2 } })).expect("updated");
        assert_eq!(slower.kind, Kind::Latency { latency: 5, jitter: 2 });
        let bare = Toxic::read(&json!({ "type": "timeout", "stream": "upstream" })).expect("read");
        assert_eq!(bare.kind, Kind::Timeout { timeout: 0 });
    }

    #[test]
    fn what_does_not_exist_is_named() {
        assert_eq!(Toxic::read(&json!({ "type": "rain" })), Err("invalid toxic type".to_owned()));
        assert!(Toxic::read(&json!({ "type": "noop", "stream": "sideways" })).is_err());
        assert!(Toxic::read(&json!({ "type": "latency", "attributes": { "latency": "much" } })).is_err());
    }
}
