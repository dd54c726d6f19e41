//! Text within HTML: [`Text`].
//!
//! Called by whatever writes a page. Whatever it is given, between tags and within quoted attributes it
//! is text and no markup (HTML Standard, "Serialising HTML fragments").

use std::fmt::{Display, Formatter, Result, Write};

/// Text that is shown as it is, whatever signs are in it.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
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
    fn no_sign_is_markup() {
        let text = Text("<a b=\"c\" d='e'>&amp; ü").to_string();
        assert_eq!(text, "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp; ü");
    }
}
