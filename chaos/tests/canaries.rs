//! After a whole run with canaries in everything that a person says to caro, none is anywhere with the relay: not in its
//! database or write-ahead log, not in its memory, not in its log at its most talkative, and not in the traffic, which is
//! recorded where TLS has been taken off. The same search then finds words that were put into each of these places on
//! purpose, in each form.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use caro_schema::{
    relay::{ToDevice, ToRelay},
    version,
};
use caro_tests::{Device, Relay, eventually, program, skip};
use chaos_tests::programs::{
    client::{Member, socket},
    opened::{Word, files},
};
use serde_bytes::ByteBuf;
use tungstenite::Message;

/// In every canary.
const CANARY: &str = "canaryqm7x2vt";

/// In everything that is put there on purpose.
const PLANT: &str = "plantzk4w9bd";

/// Passes a device's connections on to a relay and writes down what is said, in both directions.
struct Wire {
    place: SocketAddr,
    said: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Wire {
    fn to(relay: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = listener.local_addr().expect("bound");
        let said: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let all = said.clone();
        // It ends with the test.
        thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                let Ok(relay) = TcpStream::connect(relay) else { continue };
                let ends = (device.try_clone().expect("cloned"), relay.try_clone().expect("cloned"));
                carry(device, relay, all.clone());
                carry(ends.1, ends.0, all.clone());
            }
        });
        Self { place, said }
    }

    /// Everything that was said: as it was, and what devices send without its WebSocket mask as well.
    fn said(&self) -> Vec<u8> {
        let said = self.said.lock().expect("nobody failed");
        said.iter().flat_map(|stream| [stream.clone(), unmasked(stream)].concat()).collect()
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, all: Arc<Mutex<Vec<Vec<u8>>>>) {
    let number = {
        let mut all = all.lock().expect("nobody failed");
        all.push(Vec::new());
        all.len() - 1
    };
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            all.lock().expect("nobody failed")[number].extend_from_slice(&bytes[..count]);
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        drop(to.shutdown(Shutdown::Write));
    });
}

/// The payloads of a device's WebSocket frames, which RFC 6455 has it hide under a mask that stands in front of them.
fn unmasked(stream: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let Some(head) = stream.windows(4).position(|four| four == b"\r\n\r\n") else { return plain };
    let mut rest = &stream[head + 4..];
    while let [_, length, more @ ..] = rest {
        let (is_masked, short) = (length & 0x80 != 0, usize::from(length & 0x7f));
        let wide = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some((long, more)) = more.split_at_checked(wide) else { break };
        let length = if wide == 0 { short } else { long.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)) };
        if !is_masked {
            break;
        }
        let Some((mask, more)) = more.split_at_checked(4) else { break };
        let (payload, more) = more.split_at(length.min(more.len()));
        plain.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        rest = more;
    }
    plain
}

/// What a process has in memory; none where it cannot be read.
fn memory(pid: u32) -> Option<Vec<u8>> {
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut bytes = Vec::new();
    for map in fs::read_to_string(format!("/proc/{pid}/maps")).ok()?.lines() {
        let mut words = map.split_whitespace();
        let (range, rights) = (words.next()?, words.next()?);
        // What the kernel maps for itself cannot be read this way, and is no memory of the program's.
        if !rights.starts_with('r') || map.ends_with("[vvar]") || map.ends_with("[vsyscall]") {
            continue;
        }
        let (from, to) = range.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let mut part = vec![0; usize::try_from(to - from).ok()?];
        // A map may be gone, or shorter than it says where a file ends in it.
        if memory.seek(SeekFrom::Start(from)).is_ok() && memory.read_exact(&mut part).is_ok() {
            bytes.extend(part);
        }
    }
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

/// The places that hold a word.
fn places(word: &str, relay: &Relay, wire: &Wire, image: Option<&[u8]>) -> Vec<String> {
    let word = Word::new(word);
    let mut held: Vec<String> = files(&relay.data())
        .into_iter()
        .filter(|(_, bytes)| word.is_held_by(bytes))
        .map(|(path, _)| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()))
        .collect();
    held.extend(image.filter(|image| word.is_held_by(image)).map(|_| "memory".to_owned()));
    held.extend(word.is_held_by(&fs::read(relay.log()).expect("a log")).then(|| "log".to_owned()));
    held.extend(word.is_held_by(&wire.said()).then(|| "traffic".to_owned()));
    held.sort();
    held
}

fn relay_that_tells_all(folder: &Path) -> Relay {
    let config = folder.join("relay.toml");
    fs::write(&config, "log = \"trace\"\nregistration = \"token\"\n").expect("written");
    Relay::with(&["--plain", "--config", config.to_str().expect("text")])
}

fn place_of(address: &str) -> SocketAddr {
    let place = address.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).expect("ws://host:port/#key");
    place.parse().expect("a number and a port")
}

fn invitation(relay: &Relay, note: &str) -> String {
    let data = relay.data();
    let mut command = std::process::Command::new(program("caro-relay"));
    command.args(["token", "create", "--note", note, "--data"]).arg(&data).env_clear();
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("text");
    printed.lines().next().expect("a line").trim().to_owned()
}

/// Everything that a person may say to caro, with a canary in it, on two devices, over one relay. Gives the phrase.
fn live(relay: &Relay, address: &str, devices: [&Device; 2]) -> String {
    let canary = |what: &str| format!("{CANARY}-{what}");
    let [desk, laptop] = devices;
    desk.type_lines(&canary("session"), &[&format!("echo {}", canary("before"))]);
    desk.home.caro_ok(&["sync", "status"]);
    let token = invitation(relay, "a friend");
    let arguments = ["sync", "init", "--relay", address, "--name", &canary("desk"), "--token-stdin", "--yes", "--json"];
    let begun = desk.home.caro_with_input(&arguments, &token);
    assert!(begun.status.success(), "{}", String::from_utf8_lossy(&begun.stderr));
    let begun = String::from_utf8(begun.stdout).expect("JSON");
    let begun: serde_json::Value = begun.lines().find_map(|line| serde_json::from_str(line).ok()).expect("JSON");
    let phrase = match &begun["phrase"] {
        serde_json::Value::Array(words) => words.iter().filter_map(|word| word.as_str()).collect::<Vec<_>>().join(" "),
        other => other.as_str().expect("a phrase").to_owned(),
    };
    laptop.restore_at(address, &canary("laptop"), &phrase);
    for (number, device) in devices.into_iter().enumerate() {
        type_everything(device, &canary(&format!("typed-{number}")));
    }
    for arguments in [
        ["kv", "set", &canary("key"), &canary("value")],
        ["alias", "set", "canarylike", &format!("echo {}", canary("alias"))],
        ["env", "set", "CANARY", &canary("variable")],
        ["config", "set", "sync.exclude_directories", &format!("/{}", canary("rule"))],
    ] {
        desk.home.caro_ok(&arguments);
    }
    let wants = [canary("typed-0"), canary("typed-1")];
    for device in devices {
        eventually("both have all", || {
            let commands = device.home.commands();
            wants.iter().all(|want| commands.iter().any(|command| command.contains(want.as_str()))).then_some(())
        });
        device.sync();
    }
    laptop.home.caro_ok(&["sync", "rename", &canary("renamed")]);
    desk.home.caro_ok(&["history", "delete", "--yes", "--now", "--match", &canary("before")]);
    for device in devices {
        device.sync();
        device.home.caro_ok(&["sync", "inspect", "--json", "--hex"]);
    }
    let rotated = desk.home.caro_with_input(&["sync", "rotate", "--reseal", "--phrase-stdin"], &phrase);
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    for device in devices {
        device.sync();
    }
    phrase
}

/// One run of a shell, with all that a hook tells.
fn type_everything(device: &Device, word: &str) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_micros();
    fs::create_dir_all(device.home.spool()).expect("made");
    let pid = std::process::id();
    let mut text = format!("\0H1\0s{word}-session\0p{pid}\0kbash 5.2\0h{word}-host\0u{word}-user\0\0");
    for number in 0..20 {
        let since = now + number * 10;
        text += &format!("\0S{since}\0d/home/{word}-directory\0cmake {word}-{number}\0\0\0E{}\0x1\0p1\0\0", since + 5);
    }
    fs::write(device.home.spool().join(format!("{word}-session.{pid}")), text).expect("written");
}

#[test]
fn pr010_no_canary_is_with_the_relay_or_on_the_wire() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut relay = relay_that_tells_all(folder.path());
    let place = place_of(relay.address());
    let wire = Wire::to(place);
    let address = relay.address().replace(&place.to_string(), &wire.place.to_string());
    let (desk, laptop) = (Device::new(), Device::new());
    let phrase = live(&relay, &address, [&desk, &laptop]);
    let image = memory(relay.pid());
    if image.is_none() {
        skip("canaries in the relay's memory", "/proc/PID/mem of a program that one has started");
    }
    // The search has something to look at: the log is at its most talkative, and what was said is there.
    let mut lost = TcpStream::connect(place).expect("a connection");
    lost.write_all(b"GET /elsewhere HTTP/1.1\r\n\r\n").expect("sent");
    eventually("the log says what only a talkative one does", || {
        fs::read_to_string(relay.log()).expect("a log").contains("DEBUG").then_some(())
    });
    assert!(wire.said().len() > 100_000, "{} bytes", wire.said().len());
    assert!(relay.data().join("relay.db-wal").exists(), "a write-ahead log to look at");
    let mut words: Vec<String> = [CANARY, "canarylike"].map(str::to_owned).to_vec();
    // Neighbouring words of the phrase: single ones are words of the language.
    let phrase: Vec<&str> = phrase.split(' ').collect();
    words.extend(phrase.chunks(2).map(|pair| pair.join(" ")));
    for word in &words {
        assert_eq!(places(word, &relay, &wire, image.as_deref()), Vec::<String>::new(), "{word}");
    }
    relay.stop();
    for word in &words {
        assert_eq!(places(word, &relay, &wire, None), Vec::<String>::new(), "{word}, after the relay's end");
    }
    // And they were said: the devices have them.
    assert!(desk.home.commands().iter().any(|command| command.contains(CANARY)));
}

/// A cell as a device would make it that seals nothing.
fn leaking(bytes: &[u8]) -> ByteBuf {
    let mut cell = vec![0; 1024];
    (cell[0], cell[1]) = (version::BYTES, version::SUITE);
    cell[100..100 + bytes.len()].copy_from_slice(bytes);
    ByteBuf::from(cell)
}

#[test]
fn pr010_the_same_search_finds_what_is_put_into_each_place_on_purpose() {
    let word = PLANT.as_bytes();
    let shape = |pack: &dyn Fn(&[u8]) -> Vec<u8>| pack(&[b"around the word ".as_slice(), word].concat());
    let forms: [(&str, Vec<u8>); 5] = [
        ("as it is", word.to_vec()),
        ("base64", shape(&|text| STANDARD.encode(text).into_bytes())),
        ("hex", shape(&|text| text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect())),
        ("zstd", shape(&|text| zstd::bulk::compress(text, 3).expect("packed"))),
        ("zlib", shape(&|text| miniz_oxide::deflate::compress_to_vec_zlib(text, 6))),
    ];
    for (seed, (name, bytes)) in (1..).zip(&forms) {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("relay.toml");
        fs::write(&config, "log = \"trace\"\n").expect("written");
        let mut relay = Relay::with(&["--plain", "--config", config.to_str().expect("text")]);
        let wire = Wire::to(place_of(relay.address()));
        let image = memory(relay.pid());
        assert_eq!(places(PLANT, &relay, &wire, image.as_deref()), Vec::<String>::new(), "{name}: before");
        // The write-ahead log, the database and memory: a cell that was not sealed.
        let member = Member::new(seed, 1);
        let mut client = member.found(place_of(relay.address()));
        client.send(&ToRelay::Push { cells: vec![leaking(bytes)] }).expect("sent");
        assert!(matches!(client.hear(), Some(ToDevice::Ack { .. })));
        let image = memory(relay.pid());
        let mut expected = vec!["relay.db-wal".to_owned()];
        expected.extend(image.is_some().then(|| "memory".to_owned()));
        expected.sort();
        assert_eq!(places(PLANT, &relay, &wire, image.as_deref()), expected, "{name}: a cell");
        // The traffic: a frame that was not sealed either, under its mask.
        let mut open = socket(wire.place).expect("a connection");
        open.send(Message::binary(bytes.clone())).expect("sent");
        eventually("it was said", || places(PLANT, &relay, &wire, None).contains(&"traffic".to_owned()).then_some(()));
        drop((open, client));
        relay.stop();
        let held = places(PLANT, &relay, &wire, None);
        assert!(held.contains(&"relay.db".to_owned()) || held.contains(&"relay.db-wal".to_owned()), "{name}: {held:?}");
        assert!(!held.contains(&"log".to_owned()), "{name}: what came is in no log");
        // The log: a line as the relay would write it.
        let mut log = fs::File::options().append(true).open(relay.log()).expect("opens");
        log.write_all(&[b"2026-01-01 TRACE caro_relay: ".as_slice(), bytes, b"\n"].concat()).expect("written");
        assert!(places(PLANT, &relay, &wire, None).contains(&"log".to_owned()), "{name}: the log");
    }
}
