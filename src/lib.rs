//! `readyloop`
