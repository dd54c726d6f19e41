//! HTTP as applications use it: routes, files, forms, JSON, cookies, CORS, negotiation, compression,
//! streams of events, the access log and measures.
//!
//! Called by the services of `app` and by whoever embeds the library; on top of
//! [`session::http`](crate::session::http), which it never reaches around.

pub mod body;
pub mod coding;
pub mod condition;
pub mod cookie;
pub mod cors;
pub mod date;
pub mod etag;
pub mod files;
pub mod form;
pub mod html;
pub mod json;
pub mod log;
pub mod metrics;
pub mod multipart;
pub mod negotiate;
pub mod problem;
pub mod range;
pub mod router;
pub mod sse;
#[cfg(test)]
pub(crate) mod testing;
