//! Text that is put into HTML and SVG.
//!
//! Used by plots and reports; all that comes from results goes through it.

/// Text without anything that a browser would take for markup, in elements and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // No character that XML does not know.
            sign if sign.is_control() && !"\n\t".contains(sign) => safe.push('\u{fffd}'),
            sign => safe.push(sign),
        }
    }
    safe
}

/// The same, with what stands between backticks as code.
pub(super) fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // A backtick without its fellow stays what it is.
    let paired = parts.len() % 2 == 1;
    let mut html = String::with_capacity(text.len());
    for (index, part) in parts.iter().enumerate() {
        if paired && index % 2 == 1 {
            html.push_str(&format!("<code>{}</code>", escape(part)));
        } else {
            if !paired && index > 0 {
                html.push('`');
            }
            html.push_str(&escape(part));
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        assert_eq!(escape("<b a='\"'>&\u{1}"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;\u{fffd}");
        assert_eq!(prose("`a<b` is c"), "<code>a&lt;b</code> is c");
        assert_eq!(prose("one ` alone <"), "one ` alone &lt;");
    }
}
