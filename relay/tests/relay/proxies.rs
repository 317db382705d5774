//! Behind other people's servers: nginx with TLS in front, and a plain HTTP/1.1 proxy that passes headers on as Caddy does.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use caro_schema::relay::{PATH, ToRelay};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::support::{Account, Client, Device, PATIENCE, Running, Target, cell, skip};

/// What stands in docs/operating.md, around the part that is documented there.
const DOCUMENTED: &str = include_str!("../../../docs/operating.md");

/// The block of the page that begins with these words, without its fences.
fn documented(begin: &str) -> &'static str {
    let at = DOCUMENTED.find(begin).unwrap_or_else(|| panic!("docs/operating.md lacks {begin}"));
    DOCUMENTED[at..].split("\n```").next().unwrap()
}

/// A running nginx.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it.
        let stopped =
            rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), rustix::process::Signal::QUIT);
        assert!(stopped.is_ok() && self.0.wait().is_ok());
    }
}

fn program() -> Option<&'static str> {
    ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|path| Path::new(path).exists())
}

async fn nginx(folder: &Path, relay: SocketAddr) -> (Nginx, SocketAddr) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("chain.key"), made.signing_key.serialize_pem()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // The documented server, with this machine's names in it.
    let server = documented("server {\n    listen 443 ssl")
        .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
        .replace("listen [::]:443 ssl;", "")
        .replace("/etc/letsencrypt/live/relay.example.org/fullchain.pem", folder.join("chain.pem").to_str().unwrap())
        .replace("/etc/letsencrypt/live/relay.example.org/privkey.pem", folder.join("chain.key").to_str().unwrap())
        .replace("127.0.0.1:7490", &relay.to_string());
    let text = format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid {0}/pid;\nerror_log {0}/error.log;\nevents {{}}\n\
         http {{\naccess_log off;\nclient_body_temp_path {0}/body;\nproxy_temp_path {0}/proxy;\n\
         fastcgi_temp_path {0}/f;\nuwsgi_temp_path {0}/u;\nscgi_temp_path {0}/s;\n{server}\n}}\n",
        folder.display()
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(program().unwrap());
    command.arg("-p").arg(folder).arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let nginx = Nginx(command.spawn().unwrap());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let deadline = std::time::Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_err() {
        let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
        assert!(std::time::Instant::now() < deadline, "nginx does not listen: {log}");
    }
    (nginx, address)
}

async fn behind() -> Running {
    Running::with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.limits.connections_per_address_max = 2;
    })
    .await
}

/// Everything that a device does, over this way.
async fn is_served(way: &Target) {
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut one = Client::create(way, &account, &devices).await;
    let mut two = Client::hello(way, &account, &devices[1]).await;
    two.pull_all().await;
    // From the smallest to several records' worth, live to the other device.
    for size in [1, 3, 16] {
        let cells: Vec<_> = (0..size).map(|_| cell(65_536)).collect();
        one.push(&cells).await;
        let mut got = 0;
        while got < size {
            got += two.page().await.entries.len();
        }
    }
    one.send(&ToRelay::Ping { token: 3 }).await;
    assert!(one.next().await.is_some());
}

/// Those who were served before may still be leaving.
async fn when_there_is_a_place(way: &Target) -> Client {
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut tries = tokio::time::interval(std::time::Duration::from_millis(25));
    loop {
        tries.tick().await;
        if let Some(client) = Client::try_connect(way, &Device::new()).await {
            return client;
        }
        assert!(std::time::Instant::now() < deadline, "no place in time");
    }
}

#[tokio::test]
async fn nginx_with_tls_in_front_as_it_is_documented() {
    if program().is_none() {
        return skip("nginx_with_tls_in_front_as_it_is_documented", "nginx (Debian: nginx-light)");
    }
    let folder = tempfile::tempdir().unwrap();
    let relay = behind().await;
    let (_nginx, address) = nginx(folder.path(), relay.target.address).await;
    let way = Target { tls: true, address, ..relay.target.clone() };
    is_served(&way).await;
    // All come from one address, and the relay counts them by the one that nginx saw.
    let _one = when_there_is_a_place(&way).await;
    let _two = when_there_is_a_place(&way).await;
    assert!(Client::try_connect(&way, &Device::new()).await.is_none());
}

/// A reverse proxy as Caddy is one: it reads the request, adds its own headers, and then carries bytes both ways.
async fn plain_proxy(relay: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut device, peer)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(device.read_u8().await?);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let (line, headers) = head.split_once("\r\n").unwrap();
                let rest = headers.trim_end_matches("\r\n");
                let added = format!(
                    "{line}\r\nVia: 1.1 Caddy\r\nX-Forwarded-For: {}\r\nX-Forwarded-Proto: https\r\n\
                     X-Forwarded-Host: relay.example.org\r\nAccept-Encoding: gzip\r\nUser-Agent: x\r\n{rest}\r\n\r\n",
                    peer.ip()
                );
                assert!(line.starts_with(&format!("GET {PATH} ")));
                let mut relay = TcpStream::connect(relay).await?;
                // In pieces, as a proxy may.
                for piece in added.as_bytes().chunks(37) {
                    relay.write_all(piece).await?;
                }
                copy_bidirectional(&mut device, &mut relay).await
            });
        }
    });
    address
}

#[tokio::test]
async fn a_plain_proxy_that_adds_headers() {
    let relay = behind().await;
    let address = plain_proxy(relay.target.address).await;
    is_served(&Target { address, ..relay.target.clone() }).await;
}
