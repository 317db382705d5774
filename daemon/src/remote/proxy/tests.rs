//! The way that is chosen, and the two ways through, against little proxies of the test's own.

use std::collections::HashMap;

use tokio::net::TcpListener;

use super::*;

fn proxies(setting: &str, variables: &[(&str, &str)]) -> Proxies {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    Proxies::read(setting, |name| variables.get(name).map(|text| (*text).to_owned()))
}

fn chosen(proxies: &Proxies, relay: &str) -> Option<String> {
    proxies.towards(&Address::parse(relay).unwrap()).unwrap().map(|proxy| format!("{:?} {}", proxy.kind, proxy.place()))
}

#[test]
fn the_setting_wins_over_the_environment_and_the_environment_is_read_as_others_read_it() {
    let none = proxies("", &[]);
    assert_eq!(chosen(&none, "wss://relay.example.org"), None);
    let both = [("HTTPS_PROXY", "http://one:3128"), ("ALL_PROXY", "socks5h://two"), ("http_proxy", "three")];
    for (setting, relay, expected) in [
        ("", "wss://relay.example.org", Some("Http one:3128")),
        ("", "ws://relay.example.org", Some("Http three:80")),
        ("none", "wss://relay.example.org", None),
        ("socks5://[::1]:9", "wss://relay.example.org", Some("Socks5 [::1]:9")),
        // What is set by hand also counts for this machine; what the environment says does not.
        ("", "wss://127.0.0.1", None),
        ("", "wss://localhost", None),
        ("", "wss://[::1]", None),
        ("http://here:1", "wss://127.0.0.1", Some("Http here:1")),
    ] {
        assert_eq!(chosen(&proxies(setting, &both), relay).as_deref(), expected, "{setting} {relay}");
    }
    let all = proxies("", &[("all_proxy", "socks5://two")]);
    assert_eq!(chosen(&all, "wss://relay.example.org").as_deref(), Some("Socks5 two:1080"));
    assert_eq!(chosen(&all, "ws://relay.example.org").as_deref(), Some("Socks5 two:1080"));
    // Only in small letters, for a header of a request can make the large ones.
    assert_eq!(chosen(&proxies("", &[("HTTP_PROXY", "evil")]), "ws://relay.example.org"), None);
}

#[test]
fn no_proxy_is_read_as_others_read_it() {
    for (except, relay, direct) in [
        ("*", "wss://relay.example.org", true),
        ("example.org", "wss://relay.example.org", true),
        (".example.org", "wss://relay.example.org", true),
        ("*.example.org", "wss://relay.example.org", true),
        ("RELAY.example.org", "wss://relay.Example.org", true),
        ("ample.org", "wss://relay.example.org", false),
        ("other, example.org:7490", "wss://relay.example.org:7490", true),
        ("example.org:443", "wss://relay.example.org:7490", false),
        ("10.0.0.0/8", "wss://10.1.2.3", true),
        ("10.0.0.0/8", "wss://11.1.2.3", false),
        ("192.0.2.7", "wss://192.0.2.7", true),
        ("192.0.2.7", "wss://192.0.2.8", false),
        ("2001:db8::/32", "wss://[2001:db8::5]", true),
        ("0.0.0.0/0", "wss://192.0.2.8", true),
        ("/8", "wss://192.0.2.8", false),
        ("", "wss://relay.example.org", false),
    ] {
        let proxies = proxies("", &[("HTTPS_PROXY", "http://one:3128"), ("NO_PROXY", except)]);
        assert_eq!(chosen(&proxies, relay).is_none(), direct, "{except} {relay}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_and_no_way_around_it() {
    let relay = Address::parse("wss://relay.example.org").unwrap();
    for (text, word) in [
        ("https://proxy:1", "neither http:// nor socks5://"),
        ("socks4://proxy", "neither http:// nor socks5://"),
        ("http://proxy:many", "port"),
        ("http://", "no host"),
        ("http://us%er@proxy", "%"),
    ] {
        let error = proxies("", &[("HTTPS_PROXY", text)]).towards(&relay).unwrap_err();
        assert!(error.starts_with("HTTPS_PROXY ") && error.contains(word), "{error}");
        assert!(proxies(text, &[]).towards(&relay).unwrap_err().starts_with("sync.proxy "), "{text}");
    }
}

#[test]
fn trap_40_a_login_is_never_shown() {
    let proxies = proxies("socks5://canary:secret%40%3A@proxy", &[("HTTPS_PROXY", "http://canary:secret@x")]);
    let proxy = proxies.towards(&Address::parse("wss://relay.example.org").unwrap()).unwrap().unwrap();
    let login = proxy.login.clone().unwrap();
    assert_eq!((login.user.reveal().as_str(), login.password.reveal().as_str()), ("canary", "secret@:"));
    for shown in [format!("{proxies:?}"), format!("{proxy:?}"), format!("{login:?}"), proxy.place()] {
        assert!(!shown.contains("canary") && !shown.contains("secret"), "{shown}");
    }
}

/// One turn of a proxy that says these things and expects those, then echoes a byte of what goes through it.
async fn played(turns: Vec<(Vec<u8>, Vec<u8>)>, proxy: &str, host: &str) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let playing = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        for (expected, said) in turns {
            let mut heard = vec![0; expected.len()];
            tcp.read_exact(&mut heard).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(&expected));
            tcp.write_all(&said).await.unwrap();
        }
        if let Ok(byte) = tcp.read_u8().await {
            tcp.write_u8(byte).await.unwrap();
        }
    });
    let proxy = Proxy::parse(&proxy.replace("PORT", &port.to_string())).unwrap();
    let connected = proxy.connect(host, 7490).await.map_err(|error| error.to_string());
    let result = match connected {
        Ok(mut tcp) => {
            // Nothing of what comes after the proxy's answer was taken away.
            tcp.write_u8(7).await.unwrap();
            assert_eq!(tcp.read_u8().await.unwrap(), 7);
            Ok(())
        }
        Err(error) => Err(error.replace(&port.to_string(), "PORT")),
    };
    playing.await.unwrap();
    result
}

#[tokio::test]
async fn http_connect() {
    let asked = |more: &str| {
        format!("CONNECT relay.example.org:7490 HTTP/1.1\r\nHost: relay.example.org:7490\r\n{more}\r\n").into_bytes()
    };
    let login = "Proxy-Authorization: Basic YWRhOm9wZW4gc2VzYW1l\r\n";
    for (proxy, more, said, expected) in [
        ("http://127.0.0.1:PORT", "", "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", Ok(())),
        ("http://ada:open%20sesame@127.0.0.1:PORT/", login, "HTTP/1.0 200 OK\r\n\r\n", Ok(())),
        (
            "http://127.0.0.1:PORT",
            "",
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            Err("the proxy 127.0.0.1:PORT: it wants another user name and password"),
        ),
        (
            "http://127.0.0.1:PORT",
            "",
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            Err("the proxy 127.0.0.1:PORT: it refuses the way to relay.example.org:7490 (status 403)"),
        ),
        ("http://127.0.0.1:PORT", "", "SSH-2.0-x\r\n\r\n\r\n", Err("the proxy 127.0.0.1:PORT: its answer is not HTTP")),
    ] {
        let turns = vec![(asked(more), said.as_bytes().to_vec())];
        assert_eq!(played(turns, proxy, "relay.example.org").await, expected.map_err(str::to_owned), "{said}");
    }
    let endless = vec![(asked(""), vec![b'x'; HEAD_BYTES_MAX])];
    let error = played(endless, "http://127.0.0.1:PORT", "relay.example.org").await.unwrap_err();
    assert!(error.ends_with("its answer has no end"), "{error}");
}

#[tokio::test]
async fn socks_5_with_names_addresses_and_a_login() {
    let name = |host: &str| [&[5, 1, 0, 3, host.len() as u8], host.as_bytes(), &7490_u16.to_be_bytes()].concat();
    let from = vec![5, 0, 0, 1, 127, 0, 0, 1, 0, 9];
    let greeting = (vec![5, 1, 0], vec![5, 0]);
    let plain = "socks5h://127.0.0.1:PORT";
    let turns = vec![greeting.clone(), (name("relay.example.org"), from.clone())];
    assert_eq!(played(turns, plain, "relay.example.org").await, Ok(()));
    let address = [&[5, 1, 0, 4][..], &Ipv6Addr::LOCALHOST.octets(), &7490_u16.to_be_bytes()].concat();
    let from_name = vec![5, 0, 0, 3, 2, b'a', b'b', 0, 9];
    assert_eq!(played(vec![greeting.clone(), (address, from_name)], plain, "::1").await, Ok(()));
    let login = "socks5://ada:sesame@127.0.0.1:PORT";
    let given = [&[1, 3][..], b"ada", &[6], b"sesame"].concat();
    let turns = |verdict: u8| vec![(vec![5, 2, 0, 2], vec![5, 2]), (given.clone(), vec![1, verdict])];
    let admitted = [turns(0), vec![(name("relay"), from)]].concat();
    assert_eq!(played(admitted, login, "relay").await, Ok(()));
    let refused = "the proxy 127.0.0.1:PORT: it wants another user name and password".to_owned();
    assert_eq!(played(turns(1), login, "relay").await, Err(refused.clone()));
    assert_eq!(played(vec![(vec![5, 1, 0], vec![5, 255])], plain, "relay").await, Err(refused));
    let unreachable = vec![greeting, (name("relay"), vec![5, 4, 0, 1])];
    assert_eq!(
        played(unreachable, plain, "relay").await,
        Err("the proxy 127.0.0.1:PORT: it cannot reach relay:7490: the host cannot be reached".to_owned())
    );
}
