//! From Markdown to HTML, with what rustdoc would do to the same text: links to the manual's modules
//! become links to its pages, links to the code become the name alone, hidden lines of examples stay
//! hidden.
//!
//! The text is our own, so HTML in it is passed on.

use pulldown_cmark::{
    BrokenLink, CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html,
};

use crate::web::html::Text;

/// A page's body.
pub(super) struct Body {
    pub(super) html: String,
    pub(super) sections: Vec<Section>,
}

/// A section, for the list beside the page.
pub(super) struct Section {
    pub(super) id: String,
    pub(super) text: String,
}

/// The page's heading.
pub(super) fn title(markdown: &'static str) -> Option<&'static str> {
    markdown.lines().find_map(|line| line.strip_prefix("# "))
}

/// How it begins, as plain text: so many sentences of the first paragraph that they say something.
pub(super) fn lead(markdown: &str) -> String {
    let mut lines = markdown.lines().skip_while(|line| !line.starts_with("# ")).skip(1);
    let mut lines =
        lines.by_ref().skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    let mut lead = lines.next().unwrap_or("").to_owned();
    for line in lines {
        lead.push(' ');
        lead.push_str(line);
    }
    lead.retain(|c| !matches!(c, '`' | '*'));
    let ends = lead.match_indices(['.', '。', '?', '!', '：']).map(|(at, mark)| at + mark.len());
    let is_end = |at: &usize| {
        lead.get(*at..)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' ') || !rest.is_ascii())
    };
    let enough = |at: &usize| *at >= LEAD;
    let end = ends.filter(is_end).find(enough).unwrap_or(lead.len());
    lead.truncate(end);
    lead
}

/// Bytes that say something.
const LEAD: usize = 60;

/// Where a link leads in the browser: `None` for what is in the code only.
fn destination(link: &str) -> Option<String> {
    if let Some(path) = link.strip_prefix("crate::manual::") {
        let (path, fragment) = path.split_once('#').map_or((path, ""), |(path, id)| (path, id));
        let mut address = String::from("/manual");
        for part in path.split("::").filter(|part| *part != "en") {
            address.push('/');
            address.push_str(part);
        }
        if !fragment.is_empty() {
            address.push('#');
            address.push_str(fragment);
        }
        return Some(address);
    }
    let is_address = link.starts_with(['/', '#']) || link.starts_with("https://");
    is_address.then(|| link.to_owned())
}

/// A heading's anchor: as rustdoc makes it, and letters of all languages are letters.
fn anchor(text: &str) -> String {
    let mut id = String::new();
    for c in text.chars() {
        match c {
            _ if c.is_alphanumeric() || c == '_' => id.extend(c.to_lowercase()),
            ' ' | '-' if !id.ends_with('-') => id.push('-'),
            _ => {}
        }
    }
    id.trim_matches('-').to_owned()
}

/// The page.
pub(super) fn render(markdown: &str) -> Body {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    // `[`name`]` without an address is rustdoc's way to name what is in the code.
    let named = |link: BrokenLink<'_>| {
        link.reference.starts_with('`').then(|| (CowStr::from("crate::"), CowStr::from("")))
    };
    let mut parser = Parser::new_with_broken_link_callback(markdown, options, Some(named));
    let (mut events, mut sections) = (Vec::new(), Vec::new());
    let mut in_link = false;
    while let Some(event) = parser.next() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let inner: Vec<_> =
                    parser.by_ref().take_while(|event| !is_heading_end(event)).collect();
                heading(level, inner, &mut events, &mut sections);
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let inner = parser.by_ref().take_while(|event| !is_code_end(event));
                let text: String = inner.filter_map(text_of).collect();
                events.push(Event::Html(code(&kind, &text).into()));
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                if let Some(dest_url) = destination(&dest_url) {
                    in_link = true;
                    let dest_url = dest_url.into();
                    events.push(Event::Start(Tag::Link { link_type, dest_url, title, id }));
                }
            }
            Event::End(TagEnd::Link) => {
                if std::mem::take(&mut in_link) {
                    events.push(event);
                }
            }
            Event::Start(Tag::Table(_)) => {
                events.push(Event::Html("<div class=\"wide\" tabindex=\"0\">".into()));
                events.push(event);
            }
            Event::End(TagEnd::Table) => {
                events.push(event);
                events.push(Event::Html("</div>\n".into()));
            }
            _ => events.push(event),
        }
    }
    let mut html = String::new();
    html::push_html(&mut html, events.into_iter());
    Body { html, sections }
}

fn is_heading_end(event: &Event<'_>) -> bool {
    matches!(event, Event::End(TagEnd::Heading(_)))
}

fn is_code_end(event: &Event<'_>) -> bool {
    matches!(event, Event::End(TagEnd::CodeBlock))
}

fn text_of(event: Event<'_>) -> Option<String> {
    match event {
        Event::Text(text) | Event::Code(text) => Some(text.into_string()),
        _ => None,
    }
}

/// A heading with an anchor; those of the second level are the page's sections.
fn heading<'a>(
    level: HeadingLevel,
    inner: Vec<Event<'a>>,
    events: &mut Vec<Event<'a>>,
    sections: &mut Vec<Section>,
) {
    let text: String = inner.iter().cloned().filter_map(text_of).collect();
    let id = anchor(&text);
    let tag =
        Tag::Heading { level, id: Some(id.clone().into()), classes: Vec::new(), attrs: Vec::new() };
    events.push(Event::Start(tag));
    events.extend(inner);
    events.push(Event::End(TagEnd::Heading(level)));
    if level == HeadingLevel::H2 {
        sections.push(Section { id, text });
    }
}

/// A block of code, which can be scrolled by keyboard too. Of Rust, what rustdoc hides is hidden.
fn code(kind: &CodeBlockKind<'_>, text: &str) -> String {
    let language = match kind {
        CodeBlockKind::Fenced(info) => info.split([',', ' ']).next().unwrap_or(""),
        CodeBlockKind::Indented => "",
    };
    let is_rust = matches!(language, "" | "rust" | "no_run" | "should_panic");
    let hidden = |line: &&str| is_rust && (line.starts_with("# ") || *line == "#");
    let shown: Vec<&str> = text.lines().filter(|line| !hidden(line)).collect();
    format!(
        "<pre tabindex=\"0\"><code>{}\n</code></pre>\n",
        Text(shown.join("\n").trim_matches('\n'))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_manual_become_addresses_and_links_to_the_code_become_names() {
        let link = |to: &str| destination(to).unwrap_or_default();
        assert_eq!(link("crate::manual::en::turn"), "/manual/turn");
        assert_eq!(link("crate::manual::en"), "/manual");
        assert_eq!(
            link("crate::manual::zh::lessons::lost_edge#why"),
            "/manual/zh/lessons/lost_edge#why"
        );
        assert_eq!(link("#here"), "#here");
        assert_eq!(link("crate::Reactor::turn"), "");
        let html = render(
            "See [`turn`](crate::Reactor::turn), [`Token`] and [1](crate::manual::en::turn).",
        );
        let wanted =
            "<p>See <code>turn</code>, <code>Token</code> and <a href=\"/manual/turn\">1</a>.</p>";
        assert_eq!(html.html.trim(), wanted);
    }

    #[test]
    fn headings_have_anchors_in_any_language() {
        let body = render("# One\n\n## What `EAGAIN` says\n\n## 半关闭 (half-close)\n");
        let ids: Vec<_> = body.sections.iter().map(|section| section.id.as_str()).collect();
        assert_eq!(ids, ["what-eagain-says", "半关闭-half-close"]);
        assert!(
            body.html.contains("<h2 id=\"what-eagain-says\">What <code>EAGAIN</code> says</h2>")
        );
    }

    #[test]
    fn examples_hide_what_rustdoc_hides_and_text_hides_nothing() {
        let body = render("```no_run\n# use a;\nb < c\n#\n#[d]\n```\n\n```text\n# a\n```\n");
        assert!(body.html.contains("<code>b &lt; c\n#[d]\n</code>"), "{}", body.html);
        assert!(body.html.contains("<code># a\n</code>"), "{}", body.html);
    }

    #[test]
    fn a_page_tells_its_title_and_how_it_begins() {
        let page = "# A title\n\nFirst, `it` says\nthis. Then that.\n\nAnd more.\n";
        assert_eq!(title(page), Some("A title"));
        assert_eq!(lead(page), "First, it says this. Then that.");
        let long = "一二三四五六七八九十一二三四五六七八九十。";
        assert_eq!(lead(&format!("# 标题\n\n{long}第二句。\n")), long);
        assert_eq!(lead(""), "");
    }
}
