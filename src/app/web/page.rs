//! The page at `/`: what listens where, how to try it, and the counters, live.

use std::fmt::Write;

use super::Headers;

/// Nothing inline, nothing from elsewhere, not in anybody's frame.
const POLICY: &[u8] =
    b"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) const HTML: Headers = &[
    ("Content-Type", b"text/html; charset=utf-8"),
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", b"nosniff"),
    ("Referrer-Policy", b"no-referrer"),
    ("Cache-Control", b"no-cache"),
];
pub(super) const CSS: Headers =
    &[("Content-Type", b"text/css; charset=utf-8"), ("Cache-Control", b"no-cache")];
pub(super) const JS: Headers =
    &[("Content-Type", b"text/javascript; charset=utf-8"), ("Cache-Control", b"no-cache")];
pub(super) const SVG: Headers =
    &[("Content-Type", b"image/svg+xml"), ("Cache-Control", b"max-age=86400")];

/// Something that is served: a line of the page and of the banner.
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

/// The page with these rows.
pub(super) fn render(rows: &[Row]) -> String {
    let mut lines = String::new();
    for Row { name, what, address, try_it } in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            lines,
            "<tr><th scope=\"row\">{}<small>{}</small></th><td><code>{}</code></td>\
             <td class=\"try\"><code>{}</code></td></tr>",
            Safe(name),
            Safe(what),
            Safe(address),
            Safe(try_it)
        );
    }
    include_str!("page.html")
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
        .replace("{{rows}}", &lines)
}

/// Text that cannot become markup.
struct Safe<'a>(&'a str);

impl std::fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_row_and_nothing_in_it_is_markup_or_inline() {
        let rows = [Row {
            name: "tcp-echo",
            what: "sends back <what> it gets",
            address: "unix:/tmp/a\"b".into(),
            try_it: "printf 'x' | nc -U /tmp/{{version}}".into(),
        }];
        let page = render(&rows);
        assert!(page.contains("tcp-echo") && page.contains("&lt;what&gt;"), "{page}");
        assert!(page.contains("unix:/tmp/a&quot;b") && page.contains("printf &#39;x&#39;"));
        assert!(page.contains("/tmp/{{version}}"), "a row is not a template");
        for forbidden in ["<style", "style=", "<script>", "onclick", "http://", "https://"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}
