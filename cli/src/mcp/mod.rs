//! `caro mcp`: an assistant may look into history, over the Model Context Protocol on standard input and output. It may
//! only look, only when the person has switched it on, and only at what [`scope`] lets through; secrets are masked by the
//! daemon before an answer leaves it.
//!
//! Lines and their form are in [`rpc`], what the protocol asks in [`server`], the tools in [`tools`]. Nothing but answers
//! is ever written to standard output. The protocol: <https://modelcontextprotocol.io/specification/2025-06-18>. Why there
//! is no library for it here: `docs/decisions/0020-assistants-through-the-spool.md`.

mod rpc;
mod scope;
mod server;
mod tools;

pub(crate) use self::{
    scope::Scope,
    server::serve,
    tools::{Ask, Tools},
};
