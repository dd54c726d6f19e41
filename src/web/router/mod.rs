//! The router: which handler answers which method on which path (RFC 9110 §9, §15.5.5–15.5.6).
//!
//! Built once by the services of `app`, then called by the HTTP session for every request. It looks
//! at nothing but method and path, and what it does for a route that is found allocates nothing.
//!
//! ```
//! use readyloop::session::http::{Answered, Reply};
//! use readyloop::web::router::{Next, Request, Router};
//!
//! fn note(request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
//!     reply.text(200, &format!("note {}\n", request.param("id").unwrap_or("?")))
//! }
//!
//! fn members_only(request: &Request<'_>, reply: Reply<'_, '_>, next: Next<'_>) -> Answered {
//!     match request.header("authorization") {
//!         Some(_) => next.run(request, reply),
//!         None => reply.text(401, "who are you?\n"),
//!     }
//! }
//!
//! let notes = Router::new().get("/{id}", note).wrap(members_only);
//! let router = Router::new().get("/", |_, reply| reply.text(200, "home\n")).nest("/notes", notes);
//! assert!(router.check().is_ok());
//! ```
//!
//! Patterns are those of the crate `matchit`: `{name}` is one segment or part of one, `{*name}` all
//! that is left, and the more literal pattern wins. Paths are matched as they came, but for
//! encodings that mean nothing: an encoded slash is part of a segment, and dots are not resolved.
//! A handler for `GET` answers `HEAD` too; `OPTIONS`, and `405` with `Allow`, are answered here.

mod request;
#[cfg(test)]
mod tests;

use std::fmt;
use std::rc::Rc;

use crate::proto::h1::Head;
use crate::session::http::{Answered, Handler, Reply};
use crate::web::problem::Problem;
pub use request::Request;

/// What answers the requests of a route.
type Handle = Rc<dyn Fn(&Request<'_>, Reply<'_, '_>) -> Answered>;

/// What is done around handlers.
type Middleware = Rc<dyn Fn(&Request<'_>, Reply<'_, '_>, Next<'_>) -> Answered>;

/// Routes, and what is done around them.
#[derive(Default)]
pub struct Router {
    tree: matchit::Router<usize>,
    routes: Vec<Route>,
    around: Vec<Middleware>,
    fallback: Option<Handle>,
    slash: Slash,
    faults: Vec<String>,
}

/// What becomes of a path that would have a route if it ended in a slash, or did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slash {
    /// It is another path, and has no route.
    Strict,
    /// The peer is sent to the path that has one, with its method, its body and its query: `308`.
    #[default]
    Redirect,
}

/// All that is answered on the paths of one pattern.
struct Route {
    pattern: Box<str>,
    methods: Vec<(&'static str, Handle)>,
    /// The answer to all other methods.
    any: Option<Handle>,
    /// The middleware of the routers that it was nested in from, the outermost first.
    around: Vec<Middleware>,
    allow: String,
}

/// The rest of the way to a handler.
pub struct Next<'n> {
    outer: &'n [Middleware],
    inner: &'n [Middleware],
    end: &'n dyn Fn(&Request<'_>, Reply<'_, '_>) -> Answered,
}

impl Next<'_> {
    /// Goes on: to the next middleware, or at last to the handler.
    pub fn run(self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        let Next { outer, inner, end } = self;
        match (outer, inner) {
            ([first, outer @ ..], _) => first(request, reply, Next { outer, inner, end }),
            ([], [first, inner @ ..]) => first(request, reply, Next { outer, inner, end }),
            ([], []) => end(request, reply),
        }
    }
}

impl Router {
    /// A router without routes.
    pub fn new() -> Self {
        Router::default()
    }

    /// Answers `GET`, and `HEAD` unless that has a handler of its own.
    pub fn get(
        self,
        pattern: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.route("GET", pattern, handler)
    }

    /// Answers `POST`.
    pub fn post(
        self,
        pattern: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.route("POST", pattern, handler)
    }

    /// Answers `PUT`.
    pub fn put(
        self,
        pattern: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.route("PUT", pattern, handler)
    }

    /// Answers `PATCH`.
    pub fn patch(
        self,
        pattern: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.route("PATCH", pattern, handler)
    }

    /// Answers `DELETE`.
    pub fn delete(
        self,
        pattern: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.route("DELETE", pattern, handler)
    }

    /// Answers any one method.
    pub fn route(
        mut self,
        method: &'static str,
        pattern: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.add(Route::new(pattern, Some((method, Rc::new(handler)))));
        self
    }

    /// Answers whatever has no route. Inside a nested router: below its prefix.
    pub fn fallback(
        self,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.with_fallback(Rc::new(handler))
    }

    fn with_fallback(mut self, handler: Handle) -> Self {
        if self.fallback.replace(handler).is_some() {
            self.fault("a second fallback".into());
        }
        self
    }

    /// Puts `middleware` around everything in this router, also around what is added later, and
    /// around its own answers: 404, 405 and `OPTIONS`. The first one given is the outermost.
    pub fn wrap(
        mut self,
        middleware: impl Fn(&Request<'_>, Reply<'_, '_>, Next<'_>) -> Answered + 'static,
    ) -> Self {
        self.around.push(Rc::new(middleware));
        self
    }

    /// What to do about slashes at the end of paths; of nested routers, the outermost decides.
    pub fn slash(mut self, slash: Slash) -> Self {
        self.slash = slash;
        self
    }

    /// Puts the routes of another router below `prefix`, with its middleware around them. Its `/`
    /// is the prefix itself.
    pub fn nest(mut self, prefix: &str, inner: Router) -> Self {
        let prefix = prefix.trim_end_matches('/');
        let Router { routes, around, fallback, faults, .. } = inner;
        self.faults.extend(faults.into_iter().map(|fault| format!("below {prefix}: {fault}")));
        for mut route in routes {
            let pattern = match &*route.pattern {
                "/" if !prefix.is_empty() => "",
                pattern => pattern,
            };
            route.pattern = format!("{prefix}{pattern}").into();
            route.around.splice(0..0, around.iter().cloned());
            self.add(route);
        }
        if prefix.is_empty() && around.is_empty() {
            return fallback.into_iter().fold(self, Router::with_fallback);
        }
        if let Some(handler) = fallback {
            for rest in ["", "/", "/{*rest}"] {
                let pattern = format!("{prefix}{rest}");
                if pattern.is_empty() || self.routes.iter().any(|route| *route.pattern == *pattern)
                {
                    continue;
                }
                let route = Route::new(&pattern, None);
                self.add(Route { any: Some(Rc::clone(&handler)), around: around.clone(), ..route });
            }
        }
        self
    }

    /// Says what is wrong with the routes: patterns that are none, or that exclude each other. What
    /// is wrong is logged and not routed.
    ///
    /// # Errors
    ///
    /// All faults, in one text.
    pub fn check(&self) -> Result<(), String> {
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults.join("; ")) }
    }

    fn fault(&mut self, fault: String) {
        log::error!("not routed: {fault}");
        self.faults.push(fault);
    }

    fn add(&mut self, route: Route) {
        if let Some(known) = self.routes.iter_mut().find(|known| known.pattern == route.pattern) {
            let faults = known.join(route);
            return faults.into_iter().for_each(|fault| self.fault(fault));
        }
        match self.tree.insert(&*route.pattern, self.routes.len()) {
            Ok(()) => self.routes.push(route),
            Err(error) => self.fault(format!("{}: {error}", route.pattern)),
        }
    }

    /// Answers one request.
    #[inline]
    pub fn answer(&self, head: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let path = head.path();
        if path.contains('%') {
            return self.answer_encoded(path, head, reply);
        }
        self.answer_at(path, head, reply)
    }

    #[cold]
    fn answer_encoded(&self, path: &str, head: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        match request::normal(path) {
            Some(path) => self.answer_at(&path, head, reply),
            None => self.run(&[], &Request::new(head), reply, &bad_path),
        }
    }

    #[inline]
    fn answer_at(&self, path: &str, head: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let Ok(found) = self.tree.at(path) else { return self.unrouted(path, head, reply) };
        let Some(route) = self.routes.get(*found.value) else {
            return self.unrouted(path, head, reply);
        };
        // The fallback of a nested router: a slash more or less may be meant.
        if route.methods.is_empty()
            && let Some(location) = self.canonical(path, head)
        {
            let request = Request::new(head);
            return self.run(&route.around, &request, reply, &|_, reply| moved(&location, reply));
        }
        let Some(request) = Request::routed(head, &route.pattern, found.params) else {
            return self.run(&[], &Request::new(head), reply, &bad_path);
        };
        self.run(&route.around, &request, reply, &|request, reply| route.answer(request, reply))
    }

    #[inline]
    fn run(
        &self,
        inner: &[Middleware],
        request: &Request<'_>,
        reply: Reply<'_, '_>,
        end: &dyn Fn(&Request<'_>, Reply<'_, '_>) -> Answered,
    ) -> Answered {
        Next { outer: &self.around, inner, end }.run(request, reply)
    }

    /// No route: another path may be meant, or the server as a whole.
    #[cold]
    fn unrouted(&self, path: &str, head: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let request = Request::new(head);
        if head.target == "*" {
            return self.run(&[], &request, reply, &|_, reply| {
                reply.send(204, &[("Allow", self.all_methods().as_bytes())], b"")
            });
        }
        if let Some(location) = self.canonical(path, head) {
            return self.run(&[], &request, reply, &|_, reply| moved(&location, reply));
        }
        match &self.fallback {
            Some(handler) => self.run(&[], &request, reply, &**handler),
            None => self.run(&[], &request, reply, &not_found),
        }
    }

    /// Where the path with a slash more or less is, if it has a route.
    fn canonical(&self, path: &str, head: &Head<'_>) -> Option<String> {
        // A location that begins with two slashes, however leaning, would name another host.
        let names_a_host = path.get(1..).is_some_and(|rest| rest.starts_with(['/', '\\']));
        if self.slash == Slash::Strict || names_a_host || path == "/" {
            return None;
        }
        let mut location = match path.strip_suffix('/') {
            Some(without) => without.to_owned(),
            None => format!("{path}/"),
        };
        let found = self.tree.at(&location).ok()?;
        self.routes.get(*found.value).filter(|route| !route.methods.is_empty())?;
        if let Some(query) = head.query() {
            location.push('?');
            location.push_str(query);
        }
        Some(location)
    }

    /// What `OPTIONS *` asks for: every method of every route.
    fn all_methods(&self) -> String {
        let mut all = Vec::new();
        for method in self.routes.iter().flat_map(|route| route.allow.split(", ")) {
            if !all.contains(&method) {
                all.push(method);
            }
        }
        if all.is_empty() { "OPTIONS".into() } else { all.join(", ") }
    }
}

impl Route {
    fn new(pattern: &str, method: Option<(&'static str, Handle)>) -> Self {
        let mut route = Route {
            pattern: pattern.into(),
            methods: method.into_iter().collect(),
            any: None,
            around: Vec::new(),
            allow: String::new(),
        };
        route.describe();
        route
    }

    /// Takes the methods of another route of the same pattern. Answers what is wrong with that.
    fn join(&mut self, other: Route) -> Vec<String> {
        let alike = self.around.len() == other.around.len()
            && self.around.iter().zip(&other.around).all(|(own, its)| Rc::ptr_eq(own, its));
        if !alike {
            return vec![format!("{}: in two routers, with different middleware", self.pattern)];
        }
        let mut faults = Vec::new();
        for (method, handler) in other.methods {
            if self.handler(method).is_some() {
                faults.push(format!("{method} {}: a second handler", self.pattern));
            } else {
                self.methods.push((method, handler));
            }
        }
        self.any = self.any.take().or(other.any);
        self.describe();
        faults
    }

    fn describe(&mut self) {
        let has = |name| self.methods.iter().any(|(method, _)| *method == name);
        let mut all: Vec<_> = self.methods.iter().map(|(method, _)| *method).collect();
        if let Some(at) = all.iter().position(|method| *method == "GET")
            && !has("HEAD")
        {
            all.insert(at + 1, "HEAD");
        }
        if !has("OPTIONS") {
            all.push("OPTIONS");
        }
        self.allow = all.join(", ");
    }

    #[inline]
    fn handler(&self, method: &str) -> Option<&Handle> {
        self.methods.iter().find(|(of, _)| *of == method).map(|(_, handler)| handler)
    }

    #[inline]
    fn answer(&self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        match self.handler(request.method) {
            Some(handler) => handler(request, reply),
            None => self.otherwise(request, reply),
        }
    }

    #[cold]
    fn otherwise(&self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        let handler = match request.method {
            "HEAD" => self.handler("GET"),
            _ => None,
        };
        if let Some(handler) = handler.or(self.any.as_ref()) {
            return handler(request, reply);
        }
        if request.method == "OPTIONS" {
            return reply.send(204, &[("Allow", self.allow.as_bytes())], b"");
        }
        Problem::new(405, "Method Not Allowed")
            .detail(format!("this path answers {}", self.allow))
            .field("Allow", self.allow.clone())
            .answer(reply)
    }
}

fn moved(location: &str, reply: Reply<'_, '_>) -> Answered {
    reply.send(308, &[("Location", location.as_bytes())], b"")
}

fn not_found(_: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    Problem::new(404, "Not Found").detail("nothing has this path").answer(reply)
}

fn bad_path(_: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    Problem::new(400, "Bad Request").detail("the path is not encoded as UTF-8").answer(reply)
}

impl Handler for Router {
    #[inline]
    fn on_request(&self, request: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        self.answer(request, reply)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter().map(|route| (&route.pattern, &route.allow));
        f.debug_map().entries(routes).finish()
    }
}
