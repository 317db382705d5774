//! The proxies of one server, and the API that makes, changes and removes them: over HTTP for anybody, and as a call for
//! the scenarios, which is the same thing without a socket.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{net::TcpStream, runtime::Runtime, sync::watch, task};

use super::{
    effect::End,
    flow::{Active, Over, Set, Traffic, carry},
    toxic::Toxic,
};
use crate::seed::Seed;

/// What an API of the same form is answered with by the server whose API it is.
const VERSION: &str = "2.5.0";

/// The pause after a connection could not be accepted, which is when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// An answer of the API.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// As in HTTP.
    pub status: u16,
    /// Nothing for an answer without content.
    pub body: Option<Value>,
}

/// Why something was not done, in the words of the API.
struct Refused(u16, String);

/// Proxies, and the threads that work for them. All of it ends when it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    http: Option<(Arc<tiny_http::Server>, JoinHandle<()>)>,
}

struct Shared {
    proxies: Mutex<BTreeMap<String, Proxy>>,
    runtime: Option<Runtime>,
    ids: AtomicU64,
    seed: Seed,
}

struct Proxy {
    listen: String,
    upstream: String,
    toxics: Vec<Active>,
    set: watch::Sender<Set>,
    traffic: Arc<Traffic>,
    running: Option<Running>,
}

/// What works for a proxy that is enabled.
struct Running {
    accepting: task::JoinHandle<()>,
    connections: Arc<Mutex<Vec<Over>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// One without proxies, which nobody reaches over HTTP.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(seed: u64) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let shared = Shared {
            proxies: Mutex::new(BTreeMap::new()),
            runtime: Some(runtime),
            ids: AtomicU64::new(0),
            seed: Seed::new(seed),
        };
        Ok(Self { shared: Arc::new(shared), http: None })
    }

    /// Listens for the API. Gives the place, for port 0.
    ///
    /// # Errors
    /// When the place is taken.
    pub fn listen(&mut self, place: SocketAddr) -> io::Result<SocketAddr> {
        let http = Arc::new(tiny_http::Server::http(place).map_err(io::Error::other)?);
        let place = http.server_addr().to_ip().ok_or_else(|| io::Error::other("not an IP address"))?;
        let (shared, serving) = (Arc::clone(&self.shared), Arc::clone(&http));
        let thread = thread::spawn(move || {
            for request in serving.incoming_requests() {
                answer(&shared, request);
            }
        });
        self.http = Some((http, thread));
        Ok(place)
    }

    /// Asks the API.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.shared.call(method, path, body)
    }

    /// Connections, bytes of clients and bytes of servers that went through a proxy so far; nothing where there is none.
    pub fn traffic(&self, proxy: &str) -> (u64, u64, u64) {
        let proxies = locked(&self.shared.proxies);
        let Some(traffic) = proxies.get(proxy).map(|proxy| &proxy.traffic) else { return (0, 0, 0) };
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&traffic.connections), read(&traffic.upstream), read(&traffic.downstream))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((http, thread)) = self.http.take() {
            http.unblock();
            drop(thread.join());
        }
        locked(&self.shared.proxies).values_mut().for_each(|proxy| proxy.stop(&self.shared));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn answer(shared: &Shared, mut request: tiny_http::Request) {
    let mut text = String::new();
    let read = io::Read::read_to_string(request.as_reader(), &mut text);
    let body = if text.is_empty() { Some(Value::Null) } else { serde_json::from_str(&text).ok() };
    let path = request.url().split('?').next().unwrap_or_default().to_owned();
    let answer = match (read, body) {
        (Ok(_), Some(body)) => shared.call(request.method().as_str(), &path, &body),
        _ => Refused(400, "bad request body".to_owned()).answer(),
    };
    let content = answer.body.map(|body| body.to_string()).unwrap_or_default();
    let mut response = tiny_http::Response::from_string(content).with_status_code(answer.status);
    if let Ok(header) = tiny_http::Header::from_bytes("Content-Type", "application/json") {
        response.add_header(header);
    }
    // Whoever asked may be gone; the answer is nobody else's.
    drop(request.respond(response));
}

impl Refused {
    fn answer(self) -> Answer {
        let Self(status, error) = self;
        Answer { status, body: Some(json!({ "error": error, "status": status })) }
    }
}

fn done(status: u16, body: Value) -> Result<Answer, Refused> {
    Ok(Answer { status, body: Some(body) })
}

fn no_content() -> Result<Answer, Refused> {
    Ok(Answer { status: 204, body: None })
}

fn missing(what: &str) -> Refused {
    Refused(404, format!("{what} not found"))
}

impl Shared {
    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let mut proxies = locked(&self.proxies);
        let answer = match (method, parts.as_slice()) {
            ("GET", ["version"]) => done(200, json!({ "version": VERSION })),
            ("GET", ["proxies"]) => {
                let all = proxies.iter().map(|(name, proxy)| (name.clone(), proxy.write(name))).collect();
                done(200, Value::Object(all))
            }
            ("POST", ["reset"]) => self.reset(&mut proxies),
            ("POST", ["populate"]) => self.populate(&mut proxies, body),
            ("POST", ["proxies"]) => self.create(&mut proxies, body),
            ("GET", ["proxies", name]) => found(&mut proxies, name).and_then(|proxy| done(200, proxy.write(name))),
            ("POST" | "PATCH", ["proxies", name]) => {
                found(&mut proxies, name).and_then(|proxy| proxy.update(self, name, body))
            }
            ("DELETE", ["proxies", name]) => match proxies.remove(*name) {
                Some(mut proxy) => {
                    proxy.stop(self);
                    no_content()
                }
                None => Err(missing("proxy")),
            },
            (method, ["proxies", name, "toxics", rest @ ..]) => {
                found(&mut proxies, name).and_then(|proxy| proxy.toxics(self, method, rest, body))
            }
            _ => Err(missing("page")),
        };
        answer.unwrap_or_else(Refused::answer)
    }

    fn reset(&self, proxies: &mut BTreeMap<String, Proxy>) -> Result<Answer, Refused> {
        for proxy in proxies.values_mut() {
            proxy.toxics.clear();
            proxy.publish();
            proxy.start(self)?;
        }
        no_content()
    }

    fn populate(&self, proxies: &mut BTreeMap<String, Proxy>, body: &Value) -> Result<Answer, Refused> {
        let given: Vec<&Value> = body.as_array().map_or_else(|| vec![body], |all| all.iter().collect());
        let mut populated = Vec::new();
        for given in given {
            let name = given["name"].as_str().unwrap_or_default();
            if let Some(mut proxy) = proxies.remove(name) {
                proxy.stop(self);
            }
            let Answer { body, .. } = self.create(proxies, given)?;
            populated.extend(body);
        }
        done(201, json!({ "proxies": populated }))
    }

    fn create(&self, proxies: &mut BTreeMap<String, Proxy>, body: &Value) -> Result<Answer, Refused> {
        let text = |key: &str| body[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let need = |key: &str| text(key).ok_or_else(|| Refused(400, format!("missing required field: {key}")));
        let (name, upstream) = (need("name")?, need("upstream")?);
        if proxies.contains_key(&name) {
            return Err(Refused(409, "proxy already exists".to_owned()));
        }
        let listen = text("listen").unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let mut proxy = Proxy {
            listen,
            upstream,
            toxics: Vec::new(),
            set: watch::Sender::new(Set::default()),
            traffic: Arc::new(Traffic::default()),
            running: None,
        };
        if body["enabled"].as_bool().unwrap_or(true) {
            proxy.start(self)?;
        }
        let written = proxy.write(&name);
        proxies.insert(name, proxy);
        done(201, written)
    }
}

fn found<'a>(proxies: &'a mut BTreeMap<String, Proxy>, name: &str) -> Result<&'a mut Proxy, Refused> {
    proxies.get_mut(name).ok_or_else(|| missing("proxy"))
}

impl Proxy {
    fn write(&self, name: &str) -> Value {
        let Self { listen, upstream, toxics, set: _, traffic: _, running } = self;
        let toxics: Vec<Value> = toxics.iter().map(|active| active.toxic.write()).collect();
        json!({ "name": name, "listen": listen, "upstream": upstream, "enabled": running.is_some(), "toxics": toxics })
    }

    /// Tells the connections which toxics there are.
    fn publish(&self) {
        self.set.send_replace(Arc::new(self.toxics.clone()));
    }

    fn start(&mut self, shared: &Shared) -> Result<(), Refused> {
        let Some(runtime) = shared.runtime.as_ref().filter(|_| self.running.is_none()) else { return Ok(()) };
        let refused = |error: io::Error| Refused(500, error.to_string());
        let listener = TcpListener::bind(&self.listen).map_err(refused)?;
        // The port stays what it was the first time.
        self.listen = listener.local_addr().map_err(refused)?.to_string();
        listener.set_nonblocking(true).map_err(refused)?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(refused)?
        };
        let connections = Arc::new(Mutex::new(Vec::new()));
        let seed = shared.seed.fork(shared.ids.fetch_add(1, Ordering::Relaxed));
        let (kept, upstream, set) = (Arc::clone(&connections), self.upstream.clone(), self.set.clone());
        let accepting = runtime.spawn(accept(listener, upstream, set, Arc::clone(&self.traffic), kept, seed));
        self.running = Some(Running { accepting, connections });
        Ok(())
    }

    /// Nobody listens any more when this returns, and every connection is over.
    fn stop(&mut self, shared: &Shared) {
        let (Some(running), Some(runtime)) = (self.running.take(), &shared.runtime) else { return };
        running.accepting.abort();
        // It was aborted; that it says so is no news.
        drop(runtime.block_on(running.accepting));
        locked(&running.connections).iter().for_each(|over| over.end(End::Close));
    }

    fn update(&mut self, shared: &Shared, name: &str, body: &Value) -> Result<Answer, Refused> {
        let mut changed = false;
        for (key, own) in [("listen", &mut self.listen), ("upstream", &mut self.upstream)] {
            if let Some(given) = body[key].as_str().filter(|given| !given.is_empty() && given != own) {
                given.clone_into(own);
                changed = true;
            }
        }
        let enabled = body["enabled"].as_bool().unwrap_or(self.running.is_some());
        if changed || !enabled {
            self.stop(shared);
        }
        if enabled {
            self.start(shared)?;
        }
        done(200, self.write(name))
    }

    fn toxics(&mut self, shared: &Shared, method: &str, rest: &[&str], body: &Value) -> Result<Answer, Refused> {
        let at = rest.first().map(|name| self.toxics.iter().position(|active| active.toxic.name == **name));
        let bad = |error: String| Refused(400, error);
        let answer = match (method, at) {
            ("GET", None) => done(200, self.toxics.iter().map(|active| active.toxic.write()).collect()),
            ("POST", None) => {
                let toxic = Toxic::read(body).map_err(bad)?;
                if self.toxics.iter().any(|active| active.toxic.name == toxic.name) {
                    return Err(Refused(409, "toxic already exists".to_owned()));
                }
                let written = toxic.write();
                self.toxics.push(Active { id: shared.ids.fetch_add(1, Ordering::Relaxed), toxic });
                done(200, written)
            }
            (_, None) => Err(missing("page")),
            (_, Some(None)) => Err(missing("toxic")),
            ("GET", Some(Some(at))) => done(200, self.toxics[at].toxic.write()),
            ("POST" | "PATCH", Some(Some(at))) => {
                self.toxics[at].toxic = self.toxics[at].toxic.updated(body).map_err(bad)?;
                done(200, self.toxics[at].toxic.write())
            }
            ("DELETE", Some(Some(at))) => {
                self.toxics.remove(at);
                no_content()
            }
            _ => Err(missing("page")),
        };
        if method != "GET" {
            self.publish();
        }
        answer
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    upstream: String,
    set: watch::Sender<Set>,
    traffic: Arc<Traffic>,
    connections: Arc<Mutex<Vec<Over>>>,
    seed: Seed,
) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let number = traffic.connections.fetch_add(1, Ordering::Relaxed);
        let over = Over::new();
        let carried = over.carried();
        {
            let mut all = locked(&connections);
            all.retain(|over| !over.is_gone());
            all.push(over.clone());
        }
        let (upstream, set, traffic) = (upstream.clone(), set.subscribe(), Arc::clone(&traffic));
        let seed = seed.fork(number);
        tokio::spawn(async move {
            // Where nobody listens behind the proxy, its clients are let go.
            if let Ok(server) = TcpStream::connect(upstream).await {
                carry(client, server, set, &seed, over, traffic).await;
            }
            drop(carried);
        });
    }
}
