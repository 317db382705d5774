//! The HTTP request that opens a connection: the path and the sub-protocol must be ours, and a proxy that is trusted may
//! say where it comes from. Everything else in it is passed over, and none of it is logged.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use caro_link::transport::RECORD_BYTES_MAX;
use caro_schema::relay::{PATH, SUBPROTOCOL};
use tokio_tungstenite::tungstenite::{
    handshake::server::{Callback, ErrorResponse, Request, Response},
    http::{HeaderMap, HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
    protocol::WebSocketConfig,
};

/// Looks at the request.
pub(crate) struct Upgrade {
    /// Where to put what a trusted proxy says; none when the other side is not one.
    pub(crate) forwarded: Option<Arc<Mutex<Option<IpAddr>>>>,
}

/// Bytes that are read at once. Small, because each idle connection keeps such a buffer.
const READ_BYTES: usize = 4_096;

/// One message is at most one record, and nothing is compressed.
pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(READ_BYTES)
        .max_write_buffer_size(4 * RECORD_BYTES_MAX)
        .max_message_size(Some(RECORD_BYTES_MAX))
        .max_frame_size(Some(RECORD_BYTES_MAX))
}

impl Callback for Upgrade {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        if request.uri().path() != PATH {
            return Err(refusal(StatusCode::NOT_FOUND, "this is a caro relay; devices connect to /v1\n"));
        }
        if !offers(request.headers()) {
            return Err(refusal(StatusCode::BAD_REQUEST, "this relay speaks caro.1\n"));
        }
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        if let Some(forwarded) = self.forwarded {
            *forwarded.lock().unwrap_or_else(PoisonError::into_inner) = forwarded_for(request.headers());
        }
        Ok(response)
    }
}

fn offers(headers: &HeaderMap) -> bool {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offer| offer.trim() == SUBPROTOCOL)
}

fn refusal(status: StatusCode, text: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(text.to_owned()));
    *response.status_mut() = status;
    response
}

/// The last address in the list: the one that the trusted proxy itself saw. Those before it are anybody's claim.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let text = last.rsplit(',').next()?.trim();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_proxy_itself_saw_is_believed() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded_for(&headers), None);
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.2, 192.0.2.7"));
        assert_eq!(forwarded_for(&headers), Some([192, 0, 2, 7].into()));
        headers.append("x-forwarded-for", HeaderValue::from_static("[2001:db8::1]:443"));
        assert_eq!(forwarded_for(&headers), "2001:db8::1".parse().ok());
        headers.append("x-forwarded-for", HeaderValue::from_static("\"><script>"));
        assert_eq!(forwarded_for(&headers), None);
    }
}
