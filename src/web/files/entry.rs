//! A file as it is kept: its fields, and its body in each coding that there is.
//!
//! Made by `load` off the loop, then held by the cache on the loop. A body is in memory if the file
//! is small and an open descriptor otherwise.

use std::cell::OnceCell;
use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::stamp::Stamp;
use crate::session::http::Prepared;
use crate::web::coding::{self, Coding};

/// Where a body is.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Memory(Bytes),
    File(Arc<File>),
}

/// A body in one coding.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) coding: Coding,
    /// In quotes. Weak if the coding was made here: another version of the compressor may make
    /// other bytes of the same file.
    pub(super) etag: String,
    pub(super) length: u64,
    pub(super) body: Body,
    /// The whole answer, from the second time that it is asked for.
    prepared: OnceCell<Option<Prepared>>,
}

impl Variant {
    pub(super) fn new(coding: Coding, etag: String, length: u64, body: Body) -> Self {
        Variant { coding, etag, length, body, prepared: OnceCell::new() }
    }

    /// The body of `whole`, compressed; `None` if that does not make it shorter.
    pub(super) fn compressed(
        whole: &Bytes,
        etag: &str,
        coding: Coding,
        options: &coding::Options,
    ) -> Option<Self> {
        let body = coding::compress(whole, coding, options).ok()?;
        (body.len() < whole.len()).then(|| {
            let etag = format!("W/\"{}-{}\"", etag.trim_matches('"'), coding.name());
            Variant::new(coding, etag, body.len() as u64, Body::Memory(body.into()))
        })
    }

    /// Memory that it takes, with the answer that may be prepared of it.
    fn cost(&self) -> usize {
        const PREPARED: usize = 1500;
        match &self.body {
            Body::Memory(bytes) => PREPARED + bytes.len() + 3 * bytes.len().min(Prepared::INCLUDED),
            Body::File(_) => 0,
        }
    }
}

/// One of the files that an entry was made of: the file itself, or a compressed sibling, which may
/// be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) stamp: Option<Stamp>,
}

/// A file, ready to be sent.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) content_type: String,
    pub(super) modified: SystemTime,
    /// `modified` as a field.
    pub(super) last_modified: String,
    /// The file first.
    pub(super) sources: Arc<[Source]>,
    /// As it is, and in other codings.
    pub(super) identity: Variant,
    pub(super) others: Vec<Variant>,
    /// It may be compressed here, if somebody likes that.
    pub(super) is_compressible: bool,
    /// Codings that are being made, or that would not make it shorter.
    pub(super) not_now: Vec<Coding>,
    /// It changed while it was read, or so shortly before that a further change might not show.
    pub(super) is_fleeting: bool,
}

/// Codings in our order: the smallest first.
const ORDER: [Coding; 4] = [Coding::Brotli, Coding::Zstd, Coding::Gzip, Coding::Identity];

impl Entry {
    /// The variant in this coding.
    pub(super) fn variant(&self, coding: Coding) -> Option<&Variant> {
        match coding {
            Coding::Identity => Some(&self.identity),
            other => self.others.iter().find(|variant| variant.coding == other),
        }
    }

    /// True if what is sent depends on `Accept-Encoding`.
    pub(super) fn varies(&self) -> bool {
        self.is_compressible || !self.others.is_empty()
    }

    /// The codings that can be had, best first, and how many they are.
    pub(super) fn offers(&self) -> ([Coding; 4], usize) {
        let mut offers = [Coding::Identity; 4];
        let mut count = 0;
        for (place, coding) in
            offers.iter_mut().zip(ORDER.iter().filter(|coding| self.has(**coding)))
        {
            *place = *coding;
            count += 1;
        }
        (offers, count)
    }

    fn has(&self, coding: Coding) -> bool {
        self.variant(coding).is_some() || self.can_make(coding)
    }

    /// True if this coding is not there but can be made.
    pub(super) fn can_make(&self, coding: Coding) -> bool {
        self.is_compressible
            && matches!(coding, Coding::Brotli | Coding::Gzip)
            && !self.not_now.contains(&coding)
    }

    /// The fields of an answer that sends `variant` or a part of it, besides the type.
    pub(super) fn fields<'e>(&'e self, variant: &'e Variant) -> Vec<(&'static str, &'e [u8])> {
        let mut fields = vec![
            ("Last-Modified", self.last_modified.as_bytes()),
            ("ETag", variant.etag.as_bytes()),
            ("Accept-Ranges", b"bytes".as_slice()),
            ("X-Content-Type-Options", b"nosniff".as_slice()),
        ];
        if variant.coding != Coding::Identity {
            fields.push(("Content-Encoding", variant.coding.name().as_bytes()));
        }
        if self.varies() {
            fields.push(("Vary", b"Accept-Encoding"));
        }
        fields
    }

    /// The whole answer with `variant`, made once; `None` if its body is in a file.
    pub(super) fn prepared<'e>(
        &'e self,
        variant: &'e Variant,
        cache_control: Option<&str>,
    ) -> Option<&'e Prepared> {
        let Body::Memory(body) = &variant.body else { return None };
        let prepared = variant.prepared.get_or_init(|| {
            let mut fields = vec![("Content-Type", self.content_type.as_bytes())];
            fields.extend(self.fields(variant));
            fields.extend(cache_control.map(|value| ("Cache-Control", value.as_bytes())));
            Prepared::shared(200, &fields, body.clone()).ok()
        });
        prepared.as_ref()
    }

    /// Bytes of memory that keeping it takes, roughly.
    pub(super) fn cost(&self) -> usize {
        const FIXED: usize = 1000;
        FIXED + self.identity.cost() + self.others.iter().map(Variant::cost).sum::<usize>()
    }

    /// Descriptors that keeping it takes.
    pub(super) fn descriptors(&self) -> usize {
        let all = std::iter::once(&self.identity).chain(&self.others);
        all.filter(|variant| matches!(variant.body, Body::File(_))).count()
    }
}
