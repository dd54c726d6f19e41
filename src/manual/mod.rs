//! The manual: longer explanations, kept where the code is so that they are read and stay right.
//!
//! Documentation only. Nothing calls it and it uses nothing.

pub mod models;
