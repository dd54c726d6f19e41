//! Routes, by tables of requests and answers.

use super::*;
use crate::web::testing::{self, body, field, status};

/// What a router answers to one request.
fn ask_with(router: &Rc<Router>, method: &str, target: &str, fields: &str) -> String {
    testing::ask(router, method, target, fields, "")
}

fn ask(router: &Rc<Router>, method: &str, target: &str) -> String {
    ask_with(router, method, target, "")
}

/// Tells which pattern was taken, and the value of `id` or `rest`.
fn tell(request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let value = request.param("id").or(request.param("rest")).unwrap_or("-");
    reply.text(200, &format!("{} {value}", request.pattern().unwrap_or("none")))
}

fn rc(router: Router) -> Rc<Router> {
    router.check().expect("good routes");
    Rc::new(router)
}

#[test]
fn the_more_literal_route_answers_and_parameters_are_decoded_once() {
    let router = rc(Router::new()
        .get("/", tell)
        .get("/notes", tell)
        .get("/notes/new", tell)
        .get("/notes/{id}", tell)
        .get("/files/{*rest}", tell)
        .slash(Slash::Strict));
    for (target, expected) in [
        ("/", "/ -"),
        ("/?a=b", "/ -"),
        ("/notes", "/notes -"),
        ("/no%74es", "/notes -"),
        ("/notes/new", "/notes/new -"),
        ("/notes/newer", "/notes/{id} newer"),
        ("/notes/a%2Fb", "/notes/{id} a/b"),
        ("/notes/a%2541", "/notes/{id} a%41"),
        ("/notes/a%20b+c", "/notes/{id} a b+c"),
        ("/notes/%C3%A9", "/notes/{id} é"),
        ("/notes/..", "/notes/{id} .."),
        ("/files/a/b%2Fc/", "/files/{*rest} a/b/c/"),
        ("http://else/notes/7?q", "/notes/{id} 7"),
    ] {
        let answer = ask(&router, "GET", target);
        assert_eq!((status(&answer), body(&answer)), ("200", expected), "{target}");
    }
    for (target, expected) in [
        ("/notes/", "404"),
        ("/notes/a/b", "404"),
        ("/Notes", "404"),
        ("//notes", "404"),
        ("/files/", "404"),
        ("/notes%2Fnew", "404"),
        ("/notes/%FF", "400"),
        ("/notes/%", "400"),
        ("/%zz", "400"),
    ] {
        let answer = ask(&router, "GET", target);
        assert_eq!(status(&answer), expected, "{target}");
        assert_eq!(field(&answer, "Content-Type"), Some("application/problem+json"), "{target}");
    }
}

#[test]
fn methods_have_their_handlers_and_the_others_hear_which() {
    let router = rc(Router::new()
        .get("/a", tell)
        .post("/a", tell)
        .route("PURGE", "/a", tell)
        .put("/b", tell)
        .patch("/b", tell)
        .delete("/b", tell)
        .route("OPTIONS", "/c", tell)
        .route("HEAD", "/c", |_, reply| reply.text(204, ""))
        .get("/c", tell));
    let all = "GET, HEAD, POST, PURGE, OPTIONS";
    for (method, path, expected, allow) in [
        ("GET", "/a", "200", None),
        ("HEAD", "/a", "200", None),
        ("POST", "/a", "200", None),
        ("PURGE", "/a", "200", None),
        ("get", "/a", "405", Some(all)),
        ("DELETE", "/a", "405", Some(all)),
        ("OPTIONS", "/a", "204", Some(all)),
        ("GET", "/b", "405", Some("PUT, PATCH, DELETE, OPTIONS")),
        ("HEAD", "/b", "405", Some("PUT, PATCH, DELETE, OPTIONS")),
        ("HEAD", "/c", "204", None),
        ("OPTIONS", "/c", "200", None),
        ("OPTIONS", "*", "204", Some("GET, HEAD, POST, PURGE, OPTIONS, PUT, PATCH, DELETE")),
        ("OPTIONS", "/d", "404", None),
        ("CONNECT", "a:443", "404", None),
    ] {
        let answer = ask(&router, method, path);
        assert_eq!(status(&answer), expected, "{method} {path}: {answer}");
        assert_eq!(field(&answer, "Allow"), allow, "{method} {path}: {answer}");
        assert!(method != "HEAD" || body(&answer).is_empty(), "{answer}");
    }
}

#[test]
fn a_slash_too_many_or_too_few_is_redirected_if_so_decided_and_never_to_another_host() {
    let routes = || {
        let any = Router::new().get("/{id}", tell).get("/{id}/x/", tell);
        any.get("/a/b", tell).post("/c/", tell)
    };
    let strict = rc(routes().slash(Slash::Strict));
    let kind = rc(routes());
    for (target, expected) in [
        ("/a/b/", Some("/a/b")),
        ("/a/b/?q=%2F&r", Some("/a/b?q=%2F&r")),
        ("/c", None),
        ("/a%2Fb/", Some("/a%2Fb")),
        ("/a/x", Some("/a/x/")),
        ("//host.example/", None),
        ("//host.example/x", None),
        ("/\\host.example/", None),
        ("/a/b//", None),
        ("/", None),
    ] {
        assert_eq!(field(&ask(&kind, "POST", target), "Location"), expected, "{target}");
        assert_eq!(field(&ask(&strict, "POST", target), "Location"), None, "{target}");
    }
    assert_eq!(status(&ask(&kind, "POST", "/a/b/")), "308");
}

#[test]
fn what_is_nested_keeps_its_middleware_and_its_fallback() {
    fn mark(
        name: &'static str,
    ) -> impl Fn(&Request<'_>, Reply<'_, '_>, Next<'_>) -> Answered + 'static {
        move |request, mut reply, next| {
            // Where all see it: the order of the calls.
            reply.env().counters.turns = reply.env().counters.turns * 10 + name.len() as u64;
            next.run(request, reply)
        }
    }
    fn order(_: &Request<'_>, mut reply: Reply<'_, '_>) -> Answered {
        let order = reply.env().counters.turns;
        reply.text(200, &order.to_string())
    }
    let innermost = Router::new().get("/", order).get("/x", order).wrap(mark("4444"));
    let inner = Router::new()
        .get("/", order)
        .wrap(mark("22"))
        .nest("/deep/", innermost)
        .fallback(order)
        .wrap(mark("333"));
    let router = rc(Router::new().get("/top", order).wrap(mark("1")).nest("/in", inner));
    for (target, expected) in [
        ("/top", "1"),
        ("/in", "123"),
        ("/in/deep", "1234"),
        ("/in/deep/x", "1234"),
        ("/in/else", "123"),
        ("/in/else/", "123"),
        ("/in/deep/else", "123"),
    ] {
        assert_eq!(body(&ask(&router, "GET", target)), expected, "{target}");
    }
    assert_eq!(status(&ask(&router, "GET", "/else")), "404");
    for (target, expected) in [("/in/?q", "/in?q"), ("/in/deep/x/", "/in/deep/x")] {
        let answer = ask(&router, "GET", target);
        assert_eq!((status(&answer), field(&answer, "Location")), ("308", Some(expected)));
    }
}

#[test]
fn middleware_sees_what_the_router_answers_itself_and_may_answer_in_its_place() {
    let router = rc(Router::new()
        .get("/a", tell)
        .fallback(|request, reply| reply.text(404, request.path()))
        .wrap(|request, reply, next| match request.header("key") {
            Some(_) => next.run(request, reply),
            None => reply.text(403, request.pattern().unwrap_or("none")),
        }));
    for (method, target, without, with) in [
        ("GET", "/a", "403", "200"),
        ("OPTIONS", "/a", "403", "204"),
        ("PUT", "/a", "403", "405"),
        ("OPTIONS", "*", "403", "204"),
        ("GET", "/%", "403", "400"),
        ("GET", "/b", "403", "404"),
    ] {
        assert_eq!(status(&ask(&router, method, target)), without, "{target}");
        assert_eq!(status(&ask_with(&router, method, target, "Key: 1\r\n")), with, "{target}");
    }
    assert_eq!(body(&ask_with(&router, "GET", "/b/c", "Key: 1\r\n")), "/b/c");
}

#[test]
fn queries_are_read_as_forms_are() {
    let router = rc(Router::new().get("/", |request, reply| {
        let pairs: Vec<_> = request.query_pairs().map(|(n, v)| format!("{n}={v}")).collect();
        let first = request.query_value("a").unwrap_or_default();
        reply.text(200, &format!("{first}: {}", pairs.join(" ")))
    }));
    for (target, expected) in [
        ("/", ": "),
        ("/?", ": "),
        ("/?a=1&a=2", "1: a=1 a=2"),
        ("/?b&a=x+y%26z&=", "x y&z: b= a=x y&z ="),
        ("/?a=%FF%zz?", "\u{fffd}%zz?: a=\u{fffd}%zz?"),
    ] {
        assert_eq!(body(&ask(&router, "GET", target)), expected, "{target}");
    }
}

#[test]
fn routes_that_exclude_each_other_are_found_at_the_start() {
    let wrapped =
        || Router::new().get("/a", tell).wrap(|request, reply, next| next.run(request, reply));
    for (router, says) in [
        (Router::new().get("/a", tell).get("/a", tell), "GET /a: a second handler"),
        (Router::new().get("/{id}", tell).get("/{name}", tell), "/{name}"),
        (Router::new().get("/{*rest}/a", tell), "/{*rest}/a"),
        (Router::new().get("/{", tell), "/{"),
        (Router::new().fallback(tell).fallback(tell), "second fallback"),
        (Router::new().get("/a", tell).nest("", wrapped()), "different middleware"),
        (Router::new().nest("/x", Router::new().get("/{", tell)), "below /x"),
    ] {
        let fault = router.check().expect_err(says);
        assert!(fault.contains(says), "{fault}");
    }
    let parts = Router::new().get("/a", tell).nest("", Router::new().post("/a", tell));
    assert!(parts.check().is_ok(), "methods of one path may come from several routers");
}
