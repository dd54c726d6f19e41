//! Files over HTTP: by transcripts without a socket, and on loopback what only a kernel adds.
#![cfg(feature = "web")]

mod bench;
mod herd;
mod system;

use std::fs;
use std::io::Read;
use std::time::Duration;

use readyloop::connection::Life;
use readyloop::session::{Message, OffloadFailed};
use readyloop::web::files::Options;

use bench::{Answer, Bench, Folder, THEN, both, date, then};

#[test]
fn a_file_comes_with_its_type_and_its_validators() {
    let folder = Folder::new("plain");
    folder.write("a/b c.txt", "hello");
    for options in both() {
        let mut bench = Bench::new(&folder, options);
        let answer = bench.twice("GET", "/a/b%20c.txt", "");
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        for (name, value) in [
            ("content-type", "text/plain; charset=utf-8"),
            ("last-modified", THEN),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
            ("content-length", "5"),
        ] {
            assert_eq!(answer.field(name), Some(value), "{name}");
        }
        assert!(answer.field("etag").is_some_and(|tag| tag.starts_with('"')));
        assert_eq!((answer.field("content-encoding"), answer.field("cache-control")), (None, None));
        let head = bench.twice("HEAD", "/a/b%20c.txt", "");
        assert_eq!((head.status, head.text()), (200, ""));
        assert_eq!(head.fields, answer.fields);
    }
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let folder = Folder::new("conditions");
    folder.write("a.txt", "hello");
    for options in both() {
        let options = Options { max_age: Some(Duration::from_secs(60)), ..options };
        let mut bench = Bench::new(&folder, options);
        let tag = bench.get("/a.txt", "").field("etag").expect("a tag").to_owned();
        for (fields, status) in [
            (format!("If-None-Match: {tag}"), 304),
            (format!("If-None-Match: \"x\", W/{tag}"), 304),
            ("If-None-Match: *".into(), 304),
            ("If-None-Match: \"x\"".into(), 200),
            (format!("If-Modified-Since: {THEN}"), 304),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT".into(), 200),
            (format!("If-None-Match: \"x\"|If-Modified-Since: {THEN}"), 200),
            (format!("If-Match: {tag}"), 200),
            ("If-Match: \"x\"".into(), 412),
            (format!("If-Match: W/{tag}"), 412),
            ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT".into(), 412),
            (format!("If-Unmodified-Since: {THEN}"), 200),
        ] {
            let answer = bench.twice("GET", "/a.txt", &fields);
            assert_eq!(answer.status, status, "{fields}");
            if status == 304 {
                assert_eq!(answer.field("etag"), Some(&*tag));
                assert_eq!(answer.field("cache-control"), Some("max-age=60"));
                assert_eq!(answer.field("content-length"), None);
                assert_eq!(answer.body, b"");
            }
        }
    }
}

#[test]
fn parts_are_sent_to_whoever_asks_for_them() {
    let folder = Folder::new("ranges");
    let text: String = (0..1000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    folder.write("a.bin", &text);
    for options in both() {
        let mut bench = Bench::new(&folder, options);
        let tag = bench.get("/a.bin", "").field("etag").expect("a tag").to_owned();
        for (fields, place) in [
            ("Range: bytes=0-9".into(), Some(0..10)),
            ("Range: bytes=990-".into(), Some(990..1000)),
            ("Range: bytes=-10".into(), Some(990..1000)),
            ("Range: bytes=0-9999".into(), Some(0..1000)),
            ("Range: bytes=0-9,5-19".into(), Some(0..20)),
            (format!("Range: bytes=5-9|If-Range: {tag}"), Some(5..10)),
            (format!("Range: bytes=5-9|If-Range: {THEN}"), Some(5..10)),
            ("Range: bytes=5-9|If-Range: \"x\"".into(), None),
            ("Range: lines=5-9".into(), None),
            ("Range: bytes=9-5".into(), None),
        ] {
            let answer = bench.twice("GET", "/a.bin", &fields);
            let (status, range) = place.clone().map_or((200, 0..1000), |range| (206, range));
            assert_eq!((answer.status, answer.text()), (status, &text[range.clone()]), "{fields}");
            let expected = place.map(|_| format!("bytes {}-{}/1000", range.start, range.end - 1));
            assert_eq!(answer.field("content-range"), expected.as_deref());
            assert_eq!(answer.field("etag"), Some(&*tag));
        }
        let none = bench.twice("GET", "/a.bin", "Range: bytes=1000-");
        assert_eq!((none.status, none.field("content-range")), (416, Some("bytes */1000")));
        let head = bench.twice("HEAD", "/a.bin", "Range: bytes=0-9");
        assert_eq!((head.status, head.field("content-length")), (200, Some("1000")));

        let several = bench.twice("GET", "/a.bin", "Range: bytes=0-4,500-509,-3");
        assert_eq!(several.status, 206);
        let kind = several.field("content-type").expect("a type");
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("several");
        let part = |range: std::ops::Range<usize>| {
            format!(
                "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {}-{}/1000\r\n\r\n{}",
                range.start,
                range.end - 1,
                &text[range.clone()]
            )
        };
        let expected =
            part(0..5) + &part(500..510) + &part(997..1000) + &format!("\r\n--{boundary}--\r\n");
        assert_eq!(several.text(), expected);
    }
}

#[test]
fn compressed_siblings_are_sent_to_whoever_prefers_them() {
    let folder = Folder::new("siblings");
    for (name, text) in
        [("a.css", "plain"), ("a.css.br", "BR"), ("a.css.gz", "GZIP"), ("a.css.zst", "ZSTD")]
    {
        folder.write(name, text);
    }
    folder.write("old.css", "plain");
    folder.write("old.css.gz", "GZIP");
    date(&folder.root().join("old.css.gz"), then() - Duration::from_secs(1));
    for options in both() {
        let mut bench = Bench::new(&folder, options);
        let mut tags = Vec::new();
        for (accept, coding, text) in [
            ("gzip, deflate, br, zstd", Some("br"), "BR"),
            ("gzip, zstd", Some("zstd"), "ZSTD"),
            ("gzip", Some("gzip"), "GZIP"),
            ("br;q=0.5, gzip", Some("gzip"), "GZIP"),
            ("identity", None, "plain"),
            ("deflate", None, "plain"),
            ("gzip;q=0", None, "plain"),
        ] {
            let fields = format!("Accept-Encoding: {accept}");
            let answer = bench.twice("GET", "/a.css", &fields);
            assert_eq!((answer.status, answer.text()), (200, text), "{accept}");
            assert_eq!(answer.field("content-encoding"), coding, "{accept}");
            assert_eq!(answer.field("content-type"), Some("text/css; charset=utf-8"));
            assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
            let tag = answer.field("etag").expect("a tag").to_owned();
            let same = bench.get("/a.css", &format!("{fields}|If-None-Match: {tag}"));
            assert_eq!((same.status, same.field("vary")), (304, Some("Accept-Encoding")));
            tags.push(tag);
        }
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 4, "each coding has a tag of its own");
        assert_eq!(bench.get("/a.css", "").text(), "plain");
        let none = bench.get("/a.css", "Accept-Encoding: *;q=0");
        assert_eq!((none.status, none.field("vary")), (406, Some("Accept-Encoding")));
        let part = bench.get("/a.css", "Accept-Encoding: br|Range: bytes=0-2");
        assert_eq!((part.status, part.text(), part.field("content-encoding")), (206, "pla", None));
        assert_eq!(bench.get("/old.css", "Accept-Encoding: gzip").text(), "plain", "it is older");
        let itself = bench.get("/a.css.gz", "");
        assert_eq!(
            (itself.field("content-type"), itself.field("vary")),
            (Some("application/gzip"), None)
        );
    }
}

#[test]
fn what_has_no_siblings_is_compressed_once() {
    let folder = Folder::new("compressed");
    let text = "So it goes.\n".repeat(1000);
    folder.write("a.txt", &text);
    folder.write("a.png", &text);
    folder.write("short.txt", &text[..500]);
    let mut bench = Bench::new(&folder, Options::default());
    let plain = bench.twice("GET", "/a.txt", "");
    assert_eq!((plain.text(), plain.field("vary")), (&*text, Some("Accept-Encoding")));
    let gzip = bench.twice("GET", "/a.txt", "Accept-Encoding: gzip");
    assert_eq!(gzip.field("content-encoding"), Some("gzip"));
    assert!(gzip.field("etag").is_some_and(|tag| tag.starts_with("W/") && tag.contains("gzip")));
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, text);
    let br = bench.twice("GET", "/a.txt", "Accept-Encoding: gzip, br");
    assert_eq!(br.field("content-encoding"), Some("br"));
    let mut unpacked = String::new();
    brotli::Decompressor::new(&br.body[..], 4096).read_to_string(&mut unpacked).expect("brotli");
    assert_eq!(unpacked, text);
    let head = bench.twice("HEAD", "/a.txt", "Accept-Encoding: gzip");
    assert_eq!(head.fields, gzip.fields);
    for path in ["/a.png", "/short.txt"] {
        let answer = bench.twice("GET", path, "Accept-Encoding: gzip, br");
        assert_eq!(
            (answer.field("content-encoding"), answer.field("vary")),
            (None, None),
            "{path}"
        );
    }
    // While it is being compressed for one, another gets it as it is.
    let mut bench = Bench::new(&folder, Options::default());
    bench.get("/a.txt", "");
    bench.works = false;
    let mut wire = b"GET /a.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n".to_vec();
    bench.call(|connection, io| connection.feed(&mut wire, io));
    assert_eq!((bench.settle().len(), bench.jobs.len()), (0, 1));
    bench.works = true;
    let said = bench.settle();
    assert_eq!(Answer::read(&mut &said[..], false).field("content-encoding"), Some("br"));
}

#[test]
fn folders_have_an_index_or_a_listing_or_neither() {
    let folder = Folder::new("folders");
    folder.write("index.html", "top");
    folder.write("a b/index.html", "inner");
    folder.write("bare/x<y>.txt", "x");
    folder.write("bare/.hidden", "x");
    let mut bench = Bench::new(&folder, Options::default());
    for (path, text) in [("/", "top"), ("/?a=b", "top"), ("/a%20b/", "inner")] {
        let answer = bench.twice("GET", path, "");
        assert_eq!((answer.status, answer.text()), (200, text), "{path}");
        assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
    }
    for (path, place) in
        [("/a%20b", "a%20b/"), ("/%61%20b?c=d&e", "a%20b/?c=d&e"), ("/bare", "bare/")]
    {
        let answer = bench.twice("GET", path, "");
        assert_eq!((answer.status, answer.field("location")), (301, Some(place)), "{path}");
    }
    for path in ["/bare/", "/none", "/none/", "/index.html/", "/index.html/x"] {
        assert_eq!(bench.twice("GET", path, "").status, 404, "{path}");
    }
    let mut bench = Bench::new(&folder, Options { listing: true, ..Options::default() });
    let page = bench.twice("GET", "/bare/", "");
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(
        page.field("content-security-policy")
            .is_some_and(|policy| policy.contains("default-src 'none'"))
    );
    assert!(page.text().contains("x&lt;y&gt;.txt") && !page.text().contains("hidden"));
    assert_eq!(bench.get("/", "").text(), "top");
    assert_eq!(bench.get("/none/", "").status, 404);
}

#[test]
fn files_are_read_and_nothing_else() {
    let folder = Folder::new("methods");
    folder.write("a.txt", "a");
    let mut bench = Bench::new(&folder, Options::default());
    for (method, status) in [("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 204)] {
        let answer = bench.ask(method, "/a.txt", "");
        assert_eq!((answer.status, answer.field("allow")), (status, Some("GET, HEAD, OPTIONS")));
    }
}

#[test]
fn no_path_leads_out() {
    let folder = Folder::new("out");
    folder.write("a.txt", "a");
    folder.write("sub/b.txt", "b");
    folder.write(".secret", "SECRET");
    folder.write(".git/config", "SECRET");
    fs::write(folder.0.join("secret"), "SECRET").expect("written");
    for (target, link) in [("../secret", "link"), ("/etc/passwd", "absolute"), ("..", "up")] {
        std::os::unix::fs::symlink(target, folder.root().join(link)).expect("a link");
    }
    let mut bench = Bench::new(&folder, Options { listing: true, ..Options::default() });
    for path in [
        "/../secret",
        "/sub/../../secret",
        "/./../secret",
        "/%2e%2e/secret",
        "/%2E%2E/secret",
        "/.%2e/secret",
        "/%2e./secret",
        "/..%2fsecret",
        "/sub%2f..%2f..%2fsecret",
        "/%2fetc/passwd",
        "//etc/passwd",
        "/..%5csecret",
        "/..%00/secret",
        "/a.txt%00.png",
        "/%c0%ae%c0%ae/secret",
        "/%e0%80%ae%e0%80%ae/secret",
        "/%c0%ae%c0%ae%c0%afsecret",
        "/..;/secret",
        "/%252e%252e/secret",
        "/link",
        "/absolute",
        "/up/secret",
        "/up/",
        "/.secret",
        "/%2esecret",
        "/.git/config",
        "/sub/..",
        "/...",
        "/..",
        "/..?x",
        "/%2e%2e%2f",
        "http://a/../secret",
    ] {
        let answer = bench.get(path, "");
        assert!(matches!(answer.status, 404 | 400), "{path}: {}", answer.status);
        assert!(!answer.text().contains("SECRET") && !answer.text().contains("root:"), "{path}");
    }
    for path in ["/%zz", "/%", "/%u002e%u002e/secret"] {
        assert_eq!(bench.get(path, "").status, 400, "{path}");
    }
    let page = bench.get("/", "");
    for hidden in ["secret", "git", "link", "absolute"] {
        assert!(!page.text().contains(hidden), "{hidden} is listed");
    }
    assert_eq!(bench.get("/sub/b.txt", "").text(), "b");
}

#[test]
fn a_change_is_noticed_in_time_and_meanwhile_nobody_waits() {
    let folder = Folder::new("changes");
    let second = Duration::from_secs(1);
    for options in both() {
        folder.write("a.txt", "one");
        let mut bench = Bench::new(&folder, options);
        assert_eq!(bench.get("/a.txt", "").text(), "one");
        folder.write("new", "two, longer");
        fs::rename(folder.root().join("new"), folder.root().join("a.txt")).expect("replaced");
        bench.wait(second);
        assert_eq!(bench.get("/a.txt", "").text(), "one", "it is fresh still");
        bench.wait(second / 2);
        assert_eq!(bench.get("/a.txt", "").text(), "one", "it is served while it is checked");
        assert_eq!(bench.get("/a.txt", "").text(), "two, longer");
        // Long after, nothing old is served at all.
        folder.write("a.txt", "three");
        bench.wait(second * 60);
        assert_eq!(bench.get("/a.txt", "").text(), "three");
        bench.wait(second * 60);
        assert_eq!(bench.get("/a.txt", "").text(), "three");
        fs::remove_file(folder.root().join("a.txt")).expect("removed");
        bench.wait(second * 60);
        assert_eq!(bench.get("/a.txt", "").status, 404);
        folder.write("a.txt", "again");
        assert_eq!(bench.get("/a.txt", "").text(), "again", "what is missing is not remembered");
    }
}

#[test]
fn a_file_is_kept_once_however_its_name_is_spelled() {
    let folder = Folder::new("spelled");
    folder.write("a b(c).txt", "text");
    let mut bench = Bench::new(&folder, Options::default());
    assert_eq!(bench.get("/a%20b%28c%29.txt", "").text(), "text");
    // From memory: no job is done any more.
    bench.works = false;
    for path in ["/%61%20b(c).txt", "/a%20b%28c%29%2etxt", "/%61%20%62(%63)%2E%74%78%74?q"] {
        assert_eq!(bench.get(path, "").text(), "text", "{path}");
    }
    assert!(bench.jobs.is_empty());
}

#[test]
fn when_the_pool_is_full_what_is_kept_is_served_and_the_rest_is_put_off() {
    let folder = Folder::new("full");
    folder.write("a.bin", "one");
    let mut bench = Bench::new(&folder, Options::default());
    assert_eq!(bench.get("/a.bin", "").text(), "one");
    bench.wait(Duration::from_secs(60));
    for (path, status) in [("/a.bin", 200), ("/b.bin", 503)] {
        bench.works = false;
        let mut wire = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        bench.call(|connection, io| connection.feed(&mut wire, io));
        let (tag, job) = bench.jobs.pop_front().expect("a job");
        drop(job);
        bench.call(|connection, io| {
            connection.message(Message::any(OffloadFailed { tag }), io);
        });
        let said = bench.settle();
        assert_eq!(Answer::read(&mut &said[..], false).status, status, "{path}");
    }
}

#[test]
fn a_long_file_is_sent_in_pieces_and_one_that_shrinks_breaks_the_connection() {
    let folder = Folder::new("long");
    let text: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    folder.write("a.bin", &text);
    let mut bench = Bench::new(&folder, Options::default());
    assert!(bench.twice("GET", "/a.bin", "").body == text);
    assert!(bench.get("/a.bin", "Range: bytes=1000000-").body == text[1_000_000..]);
    let head = bench.twice("HEAD", "/a.bin", "");
    assert_eq!(head.field("content-length"), Some("3000000"));
    let file = fs::File::options().write(true).open(folder.root().join("a.bin")).expect("there");
    file.set_len(1000).expect("shorter");
    let mut wire = b"GET /a.bin HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    bench.call(|connection, io| connection.feed(&mut wire, io));
    bench.settle();
    assert_eq!(bench.connection.life(), Life::Closed);
}
