//! The page that lists a folder. Made on the off-load threads, for folders without an index.

use std::fmt::Write;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, statat};

use super::path::{Name, encoded, is_served};
use super::root::Root;
use crate::web::date;
use crate::web::html::Text;

/// Entries that a page shows; of the rest it says that they are.
const MOST: usize = 10_000;

/// A page ends when it has so many bytes: whoever asks for it slowly has one to himself.
const PAGE: usize = 1024 * 1024;

/// What the page may do: show itself.
pub(super) const POLICY: &[u8] =
    b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Item {
    name: String,
    is_folder: bool,
    size: u64,
    modified: u64,
}

/// Lists the folder of this name.
pub(super) fn page(root: &Root, name: &Name) -> io::Result<String> {
    let (mut items, more) = items(root, name)?;
    items.sort_by(|one, other| {
        other.is_folder.cmp(&one.is_folder).then_with(|| one.name.cmp(&other.name))
    });
    Ok(render(name, &items, more))
}

/// What a stranger may see there, and whether there is more than is shown.
fn items(root: &Root, name: &Name) -> io::Result<(Vec<Item>, bool)> {
    let folder = root.get(&name.text)?;
    let mut items = Vec::new();
    for found in Dir::read_from(&folder)? {
        let found = found?;
        let Ok(text) = found.file_name().to_str() else { continue };
        if !is_served(text, name.text.is_empty()) {
            continue;
        }
        if items.len() == MOST {
            return Ok((items, true));
        }
        let Ok(mut data) = statat(&folder, found.file_name(), AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        if FileType::from_raw_mode(data.st_mode) == FileType::Symlink {
            // Shown only if it may be followed.
            let path =
                if name.text.is_empty() { text.into() } else { format!("{}/{text}", name.text) };
            let Ok(target) = root.get(&path) else { continue };
            data = rustix::fs::fstat(&target)?;
        }
        let kind = FileType::from_raw_mode(data.st_mode);
        if matches!(kind, FileType::Directory | FileType::RegularFile) {
            items.push(Item {
                name: text.to_owned(),
                is_folder: kind == FileType::Directory,
                size: u64::try_from(data.st_size).unwrap_or(0),
                modified: u64::try_from(data.st_mtime).unwrap_or(0),
            });
        }
    }
    Ok((items, false))
}

fn render(name: &Name, items: &[Item], more: bool) -> String {
    let path = if name.text.is_empty() { "/".into() } else { format!("/{}/", name.text) };
    let title = Text(&path);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <main>\n<h1>{title}</h1>\n<table>\n<thead><tr><th scope=\"col\">Name<th scope=\"col\">Size\
         <th scope=\"col\">Changed (UTC)</thead>\n<tbody>\n"
    );
    if !name.text.is_empty() {
        page.push_str("<tr><td><a href=\"../\">../</a><td><td>\n");
    }
    let mut shown = 0;
    for item in items {
        if page.len() >= PAGE {
            break;
        }
        shown += 1;
        let slash = if item.is_folder { "/" } else { "" };
        let size = if item.is_folder { String::new() } else { size(item.size) };
        let (link, text) = (encoded(&item.name), Text(&item.name));
        let changed = date::format(UNIX_EPOCH + Duration::from_secs(item.modified));
        let changed = changed.trim_end_matches(" GMT");
        // A `./` before the name keeps a colon in it from being taken for a scheme.
        let _ = writeln!(
            page,
            "<tr><td><a href=\"./{link}{slash}\">{text}{slash}</a><td>{size}<td>{changed}"
        );
    }
    page.push_str("</tbody>\n</table>\n");
    if more || shown < items.len() {
        let _ = writeln!(page, "<p>There is more than the {shown} entries shown.");
    }
    page.push_str("</main>\n</html>\n");
    page
}

const STYLE: &str = ":root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;margin:0}main{max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.3rem;overflow-wrap:anywhere}table{width:100%;border-collapse:collapse}\
th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #8884}\
td:nth-child(2),th:nth-child(2){text-align:right;white-space:nowrap}td:nth-child(3){white-space:nowrap}\
td:first-child{overflow-wrap:anywhere}a{text-decoration:none}a:hover{text-decoration:underline}";

/// A size for people: three digits and a unit.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut units = UNITS.iter();
    let (mut whole, mut tenths, mut unit) = (bytes, 0, units.next());
    while whole >= 1024 {
        (tenths, whole) = (whole % 1024 * 10 / 1024, whole / 1024);
        unit = units.next();
    }
    let unit = unit.unwrap_or(&"EiB");
    if bytes < 1024 || whole >= 100 {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{tenths} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::files::root::Symlinks;
    use crate::web::files::testing::Folder;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_page_is_sorted_escaped_and_shows_nothing_hidden() {
        let folder = Folder::new("listing");
        for name in ["b.txt", "a<b>&\"'.txt", "javascript:alert(1)", ".hidden", "sub/x", "z/y"] {
            folder.write(name, "text");
        }
        folder.write("long", vec![0; 150_000]);
        symlink("b.txt", folder.path("link")).expect("a link");
        symlink("/etc/hostname", folder.path("out")).expect("a link");
        let root = Root::open(&folder.path(""), Symlinks::Within).expect("a folder");
        let text = page(&root, &Name::of("/").expect("a name")).expect("a page");
        let links: Vec<_> = text
            .split("href=\"")
            .skip(1)
            .map(|rest| rest.split_once("</a>").expect("an end").0)
            .collect();
        assert_eq!(
            links,
            [
                "./sub/\">sub/",
                "./z/\">z/",
                "./a%3Cb%3E%26%22%27.txt\">a&lt;b&gt;&amp;&quot;&#39;.txt",
                "./b.txt\">b.txt",
                "./javascript%3Aalert%281%29\">javascript:alert(1)",
                "./link\">link",
                "./long\">long",
            ]
        );
        assert!(text.contains("<td>146 KiB<td>") && !text.contains("<script"));
        let below = page(&root, &Name::of("/sub/").expect("a name")).expect("a page");
        assert!(below.contains("<title>/sub/</title>") && below.contains("href=\"../\""));
    }

    #[test]
    fn a_page_has_an_end_however_long_the_names_are() {
        let name = Name::of("/").expect("a name");
        let item = || Item { name: "&".repeat(255), is_folder: false, size: 0, modified: 0 };
        let items: Vec<_> = (0..MOST).map(|_| item()).collect();
        let text = render(&name, &items, false);
        assert!((PAGE..PAGE + 4096).contains(&text.len()));
        let shown = text.matches("<tr><td>").count();
        assert!(text.contains(&format!("more than the {shown} entries")));
        assert!(!render(&name, &items[..10], false).contains("more than"));
    }

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (150_000, "146 KiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
