//! Nothing: this package is its tests, which drive `chaos-proxy` with an ordinary client of Toxiproxy.
