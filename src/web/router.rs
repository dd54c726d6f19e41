//! Which handler answers which request: [`Router`], by path and method.
//!
//! A [`Router`] is a [`Handler`] for [`Http`](crate::session::http::Http). Paths are written as in
//! the crate `matchit`: `/notes/{id}` has a parameter, `/files/{*rest}` takes whatever follows; a
//! literal segment goes before a parameter. What HTTP asks of every resource is done here: `HEAD`
//! by the handler of `GET` (RFC 9110 §9.3.2), `OPTIONS` (§9.3.7), `405` with `Allow` (§15.5.6),
//! parameters decoded once and refused with `400` if they are no UTF-8.
//!
//! ```
//! use readyloop::web::router::Router;
//!
//! let router = Router::new()
//!     .get("/", |_, reply| reply.text(200, "home\n"))
//!     .get("/hello/{name}", |request, reply| {
//!         let name = request.param("name").unwrap_or_default();
//!         reply.text(200, &format!("Hello, {name}!\n"))
//!     });
//! # let _ = readyloop::session::http::Http::new(router);
//! ```

use std::borrow::Cow;
use std::ops::Deref;
use std::rc::Rc;

use percent_encoding::percent_decode_str;

use crate::proto::h1::Head;
use crate::session::http::{Answered, Handler, Reply};

/// A handler of one route.
type Endpoint = Rc<dyn Fn(&Request<'_>, Reply<'_, '_>) -> Answered>;

/// Something around handlers: it may answer by itself, or call the next one and look at what that
/// [`Answered`].
type Middleware = Rc<dyn Fn(&Request<'_>, Reply<'_, '_>, Next<'_>) -> Answered>;

/// A request with what the router found out about it. Derefs to its [`Head`].
pub struct Request<'a> {
    head: &'a Head<'a>,
    route: Option<&'a Route>,
    params: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Request<'a> {
    /// A parameter of the route, decoded.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value)
    }

    /// The path that the route was given as, for logs and metrics; `None` for the fallback.
    pub fn pattern(&self) -> Option<&'a str> {
        self.route.map(|route| &*route.path)
    }

    /// The head alone.
    pub fn head(&self) -> &'a Head<'a> {
        self.head
    }

    /// The pairs of the query, decoded as forms are.
    pub fn query_pairs(&self) -> form_urlencoded::Parse<'a> {
        form_urlencoded::parse(self.head.query().unwrap_or_default().as_bytes())
    }

    /// The first value of `name` in the query.
    pub fn query_value(&self, name: &str) -> Option<Cow<'a, str>> {
        self.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl<'a> Deref for Request<'a> {
    type Target = Head<'a>;

    fn deref(&self) -> &Head<'a> {
        self.head
    }
}

/// What a middleware goes on with.
pub struct Next<'a> {
    rest: &'a [Middleware],
    then: &'a dyn Fn(&Request<'_>, Reply<'_, '_>) -> Answered,
}

impl Next<'_> {
    /// Has the next middleware, or the handler, answer.
    pub fn run(self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        match self.rest.split_first() {
            Some((first, rest)) => first(request, reply, Next { rest, then: self.then }),
            None => (self.then)(request, reply),
        }
    }
}

/// A path and its handlers.
struct Route {
    path: String,
    methods: Vec<(&'static str, Endpoint)>,
    allow: String,
    wraps: Vec<Middleware>,
}

impl Route {
    /// `Allow` without the methods that follow from others would be wrong.
    fn list(&mut self) {
        let own = self.methods.iter().map(|(method, _)| *method);
        let head = self.has("GET").then_some("HEAD");
        self.allow = own.chain(head).chain(["OPTIONS"]).collect::<Vec<_>>().join(", ");
    }

    fn has(&self, method: &str) -> bool {
        self.methods.iter().any(|(own, _)| *own == method)
    }

    fn endpoint(&self, method: &str) -> Option<&Endpoint> {
        let method = if method == "HEAD" && !self.has("HEAD") { "GET" } else { method };
        self.methods.iter().find(|(own, _)| *own == method).map(|(_, endpoint)| endpoint)
    }

    fn answer(&self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        if let Some(endpoint) = self.endpoint(request.method) {
            return endpoint(request, reply);
        }
        let allow = ("Allow", self.allow.as_bytes());
        if request.method == "OPTIONS" {
            return reply.send(204, &[allow], b"");
        }
        reply.send(405, &[allow, TEXT], b"not with this method\n")
    }
}

const TEXT: (&str, &[u8]) = ("Content-Type", b"text/plain; charset=utf-8");

/// What becomes of a path that would be found if it ended, or did not end, with a slash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slash {
    /// It is another path.
    Strict,
    /// The client is sent to the one that exists, by `308`, with its query.
    #[default]
    Redirect,
}

/// Handlers by path and method.
#[derive(Default)]
pub struct Router {
    tree: matchit::Router<usize>,
    routes: Vec<Route>,
    wraps: Vec<Middleware>,
    fallback: Option<Endpoint>,
    slash: Slash,
}

impl Router {
    /// A router that answers everything with 404.
    pub fn new() -> Self {
        Router::default()
    }

    /// Has `handler` answer `GET`, and `HEAD`.
    pub fn get(
        self,
        path: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.route("GET", path, handler)
    }

    /// Has `handler` answer `POST`.
    pub fn post(
        self,
        path: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.route("POST", path, handler)
    }

    /// Has `handler` answer `PUT`.
    pub fn put(
        self,
        path: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.route("PUT", path, handler)
    }

    /// Has `handler` answer `PATCH`.
    pub fn patch(
        self,
        path: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.route("PATCH", path, handler)
    }

    /// Has `handler` answer `DELETE`.
    pub fn delete(
        self,
        path: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.route("DELETE", path, handler)
    }

    /// Has `handler` answer `method` at `path`. The last one given for both holds.
    ///
    /// # Panics
    ///
    /// If `path` is not well-formed or contradicts another route: a mistake in the program, found
    /// when it starts.
    pub fn route(
        mut self,
        method: &'static str,
        path: &str,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        let route = self.at(path);
        route.methods.retain(|(own, _)| *own != method);
        route.methods.push((method, Rc::new(handler)));
        route.list();
        self
    }

    /// Puts all routes of `inner` under `prefix`, with the middleware and the fallback that it has.
    ///
    /// # Panics
    ///
    /// As for [`route`](Self::route).
    pub fn nest(mut self, prefix: &str, inner: Router) -> Self {
        let prefix = prefix.trim_end_matches('/');
        let Router { routes, wraps, fallback, .. } = inner;
        for route in routes {
            let own = self.at(&format!("{prefix}{}", route.path));
            own.methods = route.methods;
            own.wraps = wraps.iter().cloned().chain(route.wraps).collect();
            own.list();
        }
        if let Some(fallback) = fallback {
            for path in [format!("{prefix}/"), format!("{prefix}/{{*rest}}")] {
                if self.routes.iter().any(|route| route.path == path) {
                    continue;
                }
                let own = self.at(&path);
                own.wraps = wraps.clone();
                own.methods = ALL.map(|method| (method, Rc::clone(&fallback))).into();
                own.list();
            }
        }
        self
    }

    /// Has `handler` answer, with any method, whatever no route is for.
    pub fn fallback(
        mut self,
        handler: impl Fn(&Request<'_>, Reply<'_, '_>) -> Answered + 'static,
    ) -> Self {
        self.fallback = Some(Rc::new(handler));
        self
    }

    /// Puts `middleware` around all that this router answers, inside of those given before.
    pub fn wrap(
        mut self,
        middleware: impl Fn(&Request<'_>, Reply<'_, '_>, Next<'_>) -> Answered + 'static,
    ) -> Self {
        self.wraps.push(Rc::new(middleware));
        self
    }

    /// What to do with a slash too many or too few.
    pub fn slash(mut self, policy: Slash) -> Self {
        self.slash = policy;
        self
    }

    /// The route of `path`, made if there is none.
    fn at(&mut self, path: &str) -> &mut Route {
        let index = self.routes.iter().position(|route| route.path == path).unwrap_or_else(|| {
            if let Err(error) = self.tree.insert(path, self.routes.len()) {
                panic!("the route {path}: {error}");
            }
            self.routes.push(Route {
                path: path.to_owned(),
                methods: Vec::new(),
                allow: String::new(),
                wraps: Vec::new(),
            });
            self.routes.len() - 1
        });
        &mut self.routes[index]
    }

    /// Answers a request for which there is no route.
    fn unrouted(&self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        if request.target == "*" && request.method == "OPTIONS" {
            return reply.send(204, &[("Allow", ALL.join(", ").as_bytes())], b"");
        }
        if self.slash == Slash::Redirect
            && let Some(location) = self.other(request.head)
        {
            return reply.send(308, &[("Location", location.as_bytes())], b"");
        }
        match &self.fallback {
            Some(fallback) => fallback(request, reply),
            None => reply.text(404, "nothing here\n"),
        }
    }

    /// The path with a slash more or less, if that is a route.
    fn other(&self, head: &Head<'_>) -> Option<String> {
        let path = head.path();
        let mut other = match path.strip_suffix('/') {
            Some(shorter) => shorter.to_owned(),
            None => format!("{path}/"),
        };
        // `//host` would lead to another origin.
        if other.len() < 2 || other.starts_with("//") {
            return None;
        }
        self.tree.at(&other).ok()?;
        if let Some(query) = head.query() {
            other.push('?');
            other.push_str(query);
        }
        Some(other)
    }
}

/// The methods that a fallback answers.
const ALL: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

impl Handler for Router {
    fn on_request(&self, head: &Head<'_>, reply: Reply<'_, '_>) -> Answered {
        let found = self.tree.at(head.path()).ok();
        let route = found.as_ref().and_then(|found| self.routes.get(*found.value));
        let mut params = Vec::new();
        for (name, value) in found.iter().flat_map(|found| found.params.iter()) {
            match percent_decode_str(value).decode_utf8() {
                Ok(value) => params.push((name, value)),
                Err(_) => return reply.text(400, "the path is not UTF-8\n"),
            }
        }
        let request = Request { head, route, params };
        let then = |request: &Request<'_>, reply: Reply<'_, '_>| match request.route {
            Some(route) => {
                let then =
                    |request: &Request<'_>, reply: Reply<'_, '_>| route.answer(request, reply);
                Next { rest: &route.wraps, then: &then }.run(request, reply)
            }
            None => self.unrouted(request, reply),
        };
        Next { rest: &self.wraps, then: &then }.run(&request, reply)
    }
}
