//! The pages: home, notes, chat and push, with their styles, scripts and icon, from memory.
//!
//! The site's routes mount [`ASSETS`] and what [`render`] gives, once at start. Nothing here
//! answers requests, and no page needs anything that is not in this folder: no build step, no other
//! origin, nothing inline ([`POLICY`]).

use std::fmt::Write;

use crate::web::html::Text;

/// A file as it is served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    /// Where it is served.
    pub(super) path: &'static str,
    /// Its media type.
    pub(super) content_type: &'static str,
    /// What it says.
    pub(super) bytes: &'static [u8],
}

/// The media type of the pages.
pub(super) const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The pages' Content-Security-Policy: nothing inline, nothing from elsewhere, in nobody's frame,
/// and no text that becomes markup.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

macro_rules! asset {
    ($path:literal, $content_type:expr, $file:literal) => {
        Asset {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("pages/", $file)),
        }
    };
}

/// Everything the pages load.
pub(super) const ASSETS: &[Asset] = &[
    asset!("/icon.svg", SVG, "icon.svg"),
    asset!("/favicon.ico", SVG, "icon.svg"),
    asset!("/assets/theme.js", JS, "theme.js"),
    asset!("/assets/site.css", CSS, "site.css"),
    asset!("/assets/site.js", JS, "site.js"),
    asset!("/assets/home.css", CSS, "home.css"),
    asset!("/assets/home.js", JS, "home.js"),
    asset!("/assets/notes.css", CSS, "notes.css"),
    asset!("/assets/notes.js", JS, "notes.js"),
    asset!("/assets/chat.css", CSS, "chat.css"),
    asset!("/assets/chat.js", JS, "chat.js"),
    asset!("/assets/push.css", CSS, "push.css"),
    asset!("/assets/push.js", JS, "push.js"),
];

/// A page before its frame: where it is served, its name (also of its style and script), its title,
/// and what it says.
struct Page {
    path: &'static str,
    name: &'static str,
    title: &'static str,
    main: &'static str,
}

macro_rules! page {
    ($path:literal, $name:literal, $title:literal) => {
        Page {
            path: $path,
            name: $name,
            title: $title,
            main: include_str!(concat!("pages/", $name, ".html")),
        }
    };
}

const PAGES: [Page; 4] = [
    page!("/", "home", "readyloop"),
    page!("/notes", "notes", "Notes · readyloop"),
    page!("/chat", "chat", "Chat · readyloop"),
    page!("/push", "push", "Push · readyloop"),
];

/// Something that is served: a line of the home page and of the banner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name, as the command's flags call it.
    pub name: &'static str,
    /// What it does, in a few words.
    pub what: &'static str,
    /// Where it listens.
    pub address: String,
    /// A shell command that tries it.
    pub try_it: String,
}

/// Where the pages are, in the order of [`render`].
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|page| page.path)
}

/// The pages by path, the home page with these rows.
pub(super) fn render(rows: &[Row]) -> Vec<(&'static str, String)> {
    PAGES.iter().map(|page| (page.path, page.render(rows))).collect()
}

impl Page {
    fn render(&self, rows: &[Row]) -> String {
        let mut html = include_str!("pages/frame.html")
            .replace("{{title}}", self.title)
            .replace("{{name}}", self.name)
            .replace("{{version}}", env!("CARGO_PKG_VERSION"));
        for Page { name, .. } in &PAGES {
            let here = if *name == self.name { " aria-current=\"page\"" } else { "" };
            html = html.replace(&format!("{{{{at {name}}}}}"), here);
        }
        // The rows last: what they say is no template.
        html.replace("{{main}}", self.main).replace("{{rows}}", &lines(rows))
    }
}

fn lines(rows: &[Row]) -> String {
    let mut lines = String::new();
    for Row { name, what, address, try_it } in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            lines,
            "<tr><th scope=\"row\">{}<small>{}</small></th><td><code>{}</code></td>\
             <td class=\"try\"><code>{}</code></td></tr>",
            Text(name),
            Text(what),
            Text(address),
            Text(try_it)
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        vec![Row {
            name: "tcp-echo",
            what: "sends back <what> it gets",
            address: "unix:/tmp/a\"b".into(),
            try_it: "printf 'x' | nc -U /tmp/{{version}}".into(),
        }]
    }

    #[test]
    fn home_names_every_row_and_a_row_is_neither_markup_nor_template() {
        let (path, home) = render(&rows()).remove(0);
        assert_eq!(path, "/");
        assert!(home.contains("tcp-echo") && home.contains("&lt;what&gt;"), "{home}");
        assert!(home.contains("unix:/tmp/a&quot;b") && home.contains("printf &#39;x&#39;"));
        assert!(home.contains("/tmp/{{version}}"));
    }

    #[test]
    fn pages_are_whole_and_nothing_in_them_is_inline_or_from_elsewhere() {
        for (path, html) in render(&[]) {
            assert!(!html.contains("{{"), "{path}: a placeholder is left");
            assert_eq!(html.matches("aria-current").count(), 1, "{path}");
            for forbidden in ["<style", "style=", "<script>", " on", "http:", "https:"] {
                let found = html.match_indices(forbidden).any(|(at, _)| {
                    // ` on` begins an event's attribute only if its value follows.
                    forbidden != " on" || {
                        let rest = html.get(at + 1..).unwrap_or("");
                        rest.split_once('=').is_some_and(|(word, _)| {
                            word.bytes().all(|byte| byte.is_ascii_lowercase())
                        })
                    }
                });
                assert!(!found, "{path}: {forbidden}");
            }
        }
    }

    #[test]
    fn what_pages_and_scripts_load_is_there() {
        let served = |path: &str| ASSETS.iter().any(|asset| asset.path == path);
        for (path, html) in render(&[]) {
            for quoted in html.split('"').filter(|part| part.starts_with("/assets/")) {
                assert!(served(quoted), "{path} loads {quoted}");
            }
        }
        for Asset { path, bytes, .. } in ASSETS {
            let text = String::from_utf8_lossy(bytes);
            for name in text.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(served(&format!("/assets/{name}")), "{path} imports {name}");
            }
        }
    }

    #[test]
    fn the_whole_set_is_small() {
        let pages: usize = PAGES.iter().map(|page| page.main.len()).sum();
        let files = ASSETS.iter().filter(|asset| asset.path != "/favicon.ico");
        let assets: usize = files.map(|asset| asset.bytes.len()).sum();
        let whole = include_str!("pages/frame.html").len() + pages + assets;
        assert!(whole < 64 * 1024, "{whole} bytes");
    }
}
