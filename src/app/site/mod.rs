//! What the web server shows to people. [`crate::app::web`] routes to it; it answers nothing itself.

pub mod pages;
