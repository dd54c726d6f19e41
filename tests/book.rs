//! The manual: both languages say the same, every page is in the book, and the book is served.
#![cfg(feature = "cli")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use readyloop::app::book::{self, Language};
use readyloop::buf::Out;
use readyloop::connection::{Connection, Io};
use readyloop::session::Env;
use readyloop::session::datagram::Peer;
use readyloop::session::http::{Http, Reply};
use readyloop::{Head, Limits, Token};

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages of a language by their names below its folder.
fn pages(language: &str) -> BTreeMap<String, String> {
    let root = home().join("src/manual").join(language);
    let mut found = BTreeMap::new();
    for folder in [root.clone(), root.join("lessons")] {
        let entries = fs::read_dir(&folder).expect("the manual is there");
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.extension().is_some_and(|ending| ending == "md") {
                let name = path.strip_prefix(&root).expect("below its root").to_string_lossy();
                let text = fs::read_to_string(&path).expect("pages are text");
                found.insert(name.into_owned(), text);
            }
        }
    }
    found
}

/// What is the same in every language.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    headings: Vec<usize>,
    /// The languages of blocks of code, in their order.
    blocks: Vec<String>,
    /// Examples in Rust, without their comments.
    rust: String,
    rows: usize,
    folded: usize,
}

impl Shape {
    fn of(text: &str) -> Self {
        let (mut headings, mut blocks, mut rust) = (Vec::new(), Vec::new(), String::new());
        let (mut rows, mut block) = (0, None::<&str>);
        for line in text.lines() {
            match (block, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    blocks.push(language.to_owned());
                    block = Some(language);
                }
                (Some(_), Some(_)) => block = None,
                (Some(language), None) if language.starts_with("rust") => {
                    // `//` within a string is no comment: addresses are.
                    let end = line.find("//").filter(|&at| !line[..at].ends_with(':'));
                    rust += line[..end.unwrap_or(line.len())].trim();
                    rust.push('\n');
                }
                (Some(_), None) => {}
                (None, None) if line.starts_with('#') => {
                    headings.push(line.len() - line.trim_start_matches('#').len());
                }
                (None, None) => rows += usize::from(line.starts_with('|')),
            }
        }
        Shape { headings, blocks, rust, rows, folded: text.matches("<details>").count() }
    }
}

#[test]
fn both_languages_have_the_same_pages_of_the_same_shape() {
    let (english, chinese) = (pages("en"), pages("zh"));
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&english), names(&chinese));
    for (name, text) in &english {
        let other = chinese.get(name).expect("the same names");
        assert_eq!(Shape::of(text), Shape::of(other), "{name}: left is English, right Chinese");
        let is_chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        assert!(!text.contains(is_chinese), "{name}: Chinese in English");
        assert!(other.chars().filter(|&c| is_chinese(c)).count() > 50, "{name}: not Chinese");
    }
}

#[test]
fn a_chinese_paragraph_is_one_line() {
    // A line's end would be shown as a space, which Chinese does not have between its words.
    for (name, text) in pages("zh") {
        let mut before = "";
        for line in text.lines() {
            let (last, first) = (before.chars().next_back(), line.chars().next());
            let breaks = [last, first].iter().all(|c| c.is_some_and(|c| c > '\u{2e80}'));
            assert!(!breaks, "{name}: {line}");
            before = line;
        }
    }
}

#[test]
fn every_page_is_in_the_book() {
    let table = fs::read_to_string(home().join("src/manual/mod.rs")).expect("the table of pages");
    for name in pages("en").keys().filter(|name| !name.ends_with("contents.md")) {
        assert!(table.contains(&format!("\"/{name}\"")), "src/manual/mod.rs does not name {name}");
    }
}

#[test]
fn every_lesson_has_its_page_in_both_languages() {
    let folders = fs::read_dir(home().join("tools/lessons")).into_iter().flatten();
    for path in folders.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for language in Language::ALL {
            let page = book::lesson(&name, language).unwrap_or_default();
            assert!(page.contains("<details>"), "{name}: no page in {language:?}, or no question");
            assert!(page.contains(&format!("readyloop learn {name}")), "{name}: how is it run?");
        }
    }
}

/// Paths that pages name in the running text, such as `src/reactor/stream.rs`.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|code| {
        ["src/", "tests/", "tools/", "benches/"].iter().any(|root| code.starts_with(root))
    })
}

#[test]
fn links_and_paths_lead_somewhere() {
    for (name, text) in ["en", "zh"].into_iter().flat_map(pages) {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let known = ["crate::", "std::", "https://www.rfc-editor.org/", "#"];
            assert!(known.iter().any(|start| link.starts_with(start)), "{name}: {link}");
        }
        for path in paths(&text) {
            let path = PathBuf::from(path.trim_end_matches('/'));
            let is_there = home().join(&path).exists() || path.starts_with("tools/lessons");
            assert!(is_there, "{name}: {}", path.display());
        }
    }
}

/// What the routes answer to one request, head and body.
fn ask(target: &str) -> String {
    let router = book::routes();
    let service =
        Http::new(move |head: &Head<'_>, reply: Reply<'_, '_>| router.answer(head, reply));
    let (mut env, mut out) = (Env::new(Limits::default()), Out::default());
    let mut io = Io { out: &mut out, env: &mut env, token: Token::new(0, 1), unsent: 0 };
    let mut connection = Connection::plain(&service, &Peer::Unnamed, &mut io);
    let mut request = format!("GET {target} HTTP/1.1\r\nHost: here\r\n\r\n").into_bytes();
    connection.feed(&mut request, &mut io);
    String::from_utf8(io.out.take()).expect("pages are text")
}

/// What is told in a page, outside of its examples.
fn prose(html: &str) -> String {
    let body = html.split("<article>").nth(1).unwrap_or_default();
    let outside = |part: &str| part.split("</code>").nth(1).unwrap_or_default().to_owned();
    let first = body.split("<code>").next().unwrap_or_default().to_owned();
    first + &body.split("<code>").skip(1).map(outside).collect::<String>()
}

#[test]
fn the_book_is_served_in_both_languages_with_what_its_pages_load() {
    for (target, language) in [
        ("/manual", "en"),
        ("/manual/readiness", "en"),
        ("/manual/lessons", "en"),
        ("/manual/lessons/stale_token", "en"),
        ("/manual/zh", "zh-Hans"),
        ("/manual/zh/glossary", "zh-Hans"),
        ("/manual/zh/lessons/stale_token", "zh-Hans"),
    ] {
        let answer = ask(target);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{target}: {answer}");
        assert!(answer.contains(&format!("<html lang=\"{language}\">")), "{target}");
        assert!(answer.contains("\r\nContent-Security-Policy: default-src 'none';"), "{target}");
        for link in answer.split('"').filter(|part| part.starts_with("/manual")) {
            let page = ask(link);
            assert!(page.starts_with("HTTP/1.1 200 "), "{target} needs {link}");
            let marks = ["**", "](", "[`", "crate::manual"];
            let is_page = !link.contains("/assets/");
            assert!(!is_page || !marks.iter().any(|mark| prose(&page).contains(mark)), "{link}");
        }
    }
    for target in ["/manual/nothing", "/manual/lessons/../x", "/manual/assets/x", "/manual/zh/en"] {
        assert!(ask(target).starts_with("HTTP/1.1 404 "), "{target}");
    }
}

#[test]
fn what_rust_hides_is_hidden_and_no_link_of_the_code_is_left() {
    for language in Language::ALL {
        let page = book::lesson("stale_token", language).unwrap_or_default();
        assert!(!page.contains("crate::"), "{language:?}");
        assert!(page.contains(language.tag()));
    }
    assert_eq!(book::lesson("no_such_lesson", Language::English), None);
    assert_eq!(book::lesson("", Language::English), None, "the contents are no lesson");
}
