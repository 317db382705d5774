//! `/health` and `/metrics`, on an address of their own: plain HTTP/1.1, one request a connection, answered from numbers that
//! are there. Nothing of a request but its path is looked at, and nothing of it is logged.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    connection::Shared,
    limits::{QUESTION_BYTES_MAX, QUESTIONERS_MAX},
    metrics::{Gauges, Storage},
    serve::ACCEPT_PAUSE,
};

/// How long a request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers until it is dropped.
pub async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(QUESTIONERS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Descriptors have run out: there is no hurry to fail again.
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let shared = shared.clone();
                connections.spawn(async move {
                    let _place = place;
                    if timeout(PATIENCE, answer(stream, &shared)).await.is_err() {
                        tracing::debug!("a request for health was too slow");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Listens.
///
/// # Errors
/// When it cannot.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn answer(mut stream: TcpStream, shared: &Shared) {
    let mut head = Vec::with_capacity(QUESTION_BYTES_MAX);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let room = QUESTION_BYTES_MAX - head.len();
        if room == 0 {
            return;
        }
        match (&mut stream).take(room as u64).read_buf(&mut head).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
    }
    let (status, kind, body) = respond(&head, shared);
    let body_sent = if head.starts_with(b"HEAD ") { "" } else { &body };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{body_sent}",
        body.len()
    );
    if stream.write_all(answer.as_bytes()).await.is_ok() && stream.shutdown().await.is_ok() {
        tracing::trace!("answered a request for health");
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// What Prometheus asks for since its version 2.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

const OK: &str = "200 OK";
const UNAVAILABLE: &str = "503 Service Unavailable";

fn respond(head: &[u8], shared: &Shared) -> (&'static str, &'static str, String) {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !matches!(method, b"GET" | b"HEAD") {
        return ("405 Method Not Allowed", TEXT, "only GET and HEAD are answered\n".to_owned());
    }
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    match path {
        b"/metrics" => (OK, EXPOSITION, shared.engine.metrics().show(gauges(shared))),
        b"/health" => health(shared),
        b"/health/live" => (OK, TEXT, "live\n".to_owned()),
        b"/health/ready" => said(is_ready(shared), "ready", "not ready"),
        b"/health/storage" => {
            let storage = shared.engine.metrics().storage();
            said(storage == Storage::Working, "working", word(storage))
        }
        _ => (
            "404 Not Found",
            TEXT,
            "there are /health, /health/live, /health/ready, /health/storage and /metrics\n".to_owned(),
        ),
    }
}

fn said(holds: bool, yes: &str, no: &str) -> (&'static str, &'static str, String) {
    if holds { (OK, TEXT, format!("{yes}\n")) } else { (UNAVAILABLE, TEXT, format!("{no}\n")) }
}

fn health(shared: &Shared) -> (&'static str, &'static str, String) {
    let (ready, storage) = (is_ready(shared), word(shared.engine.metrics().storage()));
    let body = format!("{{\"live\":true,\"ready\":{ready},\"storage\":\"{storage}\"}}\n");
    (if ready { OK } else { UNAVAILABLE }, JSON, body)
}

/// Whether devices that come now are served: not while the relay goes down, nor while the disk has failed. With a full
/// disk they are served what is there, and told to keep what is new; with a damaged database all are served whose accounts are
/// whole, and a balancer that turned away from it would turn away from all of them.
fn is_ready(shared: &Shared) -> bool {
    !shared.engine.is_stopped() && shared.engine.metrics().storage() != Storage::Failed
}

fn word(storage: Storage) -> &'static str {
    match storage {
        Storage::Working => "working",
        Storage::Full => "full",
        Storage::Failed => "failed",
        Storage::Damaged => "damaged",
    }
}

fn gauges(shared: &Shared) -> Gauges {
    let (outbox_bytes, requests) = shared.engine.waiting();
    Gauges {
        connections: shared.door.open_count().into(),
        opening: shared.door.opening_count().into(),
        sessions: shared.engine.session_count() as u64,
        outbox_bytes,
        arriving_bytes: shared.arriving.bytes(),
        requests_waiting: requests as u64,
        uptime_seconds: shared.engine.now_ms() / 1_000,
    }
}
