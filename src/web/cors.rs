//! Cross-origin requests: which pages of other origins may read the answers (the Fetch standard's
//! CORS protocol).
//!
//! A middleware, [`Cors::middleware`], around a router: it answers preflights and adds fields to all
//! other answers. It keeps no request from its handler: browsers ask, and it is they who enforce.

use std::time::Duration;

use crate::session::http::{Answered, Reply};
use crate::web::router::{Next, Request};

/// Who may read what.
#[derive(Clone, Debug)]
pub struct Cors {
    /// `None` for every origin.
    origins: Option<Vec<String>>,
    methods: String,
    /// `None` for whatever is asked for.
    headers: Option<String>,
    exposed: String,
    credentials: bool,
    max_age: Duration,
}

impl Cors {
    /// Lets pages of every origin read, but never with the visitor's cookies.
    pub fn any() -> Self {
        Cors {
            origins: None,
            methods: "GET, HEAD, POST, PUT, PATCH, DELETE".into(),
            headers: None,
            exposed: String::new(),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }

    /// Lets pages of these origins read, such as `https://a.example` or `http://localhost:3000`.
    ///
    /// # Errors
    ///
    /// The first that is no origin.
    pub fn origins(origins: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut list = Vec::new();
        for origin in origins {
            if !is_origin(&origin) {
                return Err(origin);
            }
            list.push(origin.to_ascii_lowercase());
        }
        Ok(Cors { origins: Some(list), ..Cors::any() })
    }

    /// The methods they may use; all of the usual ones if this is not said.
    pub fn methods(mut self, methods: &[&str]) -> Self {
        self.methods = methods.join(", ");
        self
    }

    /// The request fields they may set; all if this is not said.
    pub fn headers(mut self, names: &[&str]) -> Self {
        self.headers = Some(names.join(", "));
        self
    }

    /// The answer's fields they may read, besides the few that all may.
    pub fn expose(mut self, names: &[&str]) -> Self {
        self.exposed = names.join(", ");
        self
    }

    /// Their requests may carry cookies. Only with a list of origins: for any origin it would hand
    /// every visitor's data to every page, and nothing is changed.
    pub fn credentials(mut self) -> Self {
        self.credentials = self.origins.is_some();
        self
    }

    /// For how long a browser need not ask again; ten minutes if this is not said.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// The middleware.
    pub fn middleware(
        self,
    ) -> impl Fn(&Request<'_>, Reply<'_, '_>, Next<'_>) -> Answered + 'static {
        move |request, reply, next| self.around(request, reply, next)
    }

    fn around(&self, request: &Request<'_>, reply: Reply<'_, '_>, next: Next<'_>) -> Answered {
        let allowed = request.header("origin").and_then(|origin| self.allowed(origin));
        let is_preflight = request.method == "OPTIONS"
            && request.header("access-control-request-method").is_some();
        match allowed {
            Some(origin) if is_preflight => self.preflight(request, self.open(reply, origin)),
            Some(origin) => {
                let reply = self.open(reply, origin);
                let reply = match self.exposed.is_empty() {
                    true => reply,
                    false => reply.with("Access-Control-Expose-Headers", &self.exposed),
                };
                next.run(request, reply)
            }
            // Whoever caches this answer must not give it to a page that would get another.
            None if self.origins.is_some() => next.run(request, reply.with("Vary", "Origin")),
            None => next.run(request, reply),
        }
    }

    /// What `Access-Control-Allow-Origin` says to a page of this origin, if it may read.
    fn allowed<'o>(&self, origin: &'o [u8]) -> Option<&'o [u8]> {
        match &self.origins {
            None => Some(b"*"),
            Some(list) => list.iter().any(|known| known.as_bytes() == origin).then_some(origin),
        }
    }

    fn open<'a, 'c>(&self, reply: Reply<'a, 'c>, origin: &[u8]) -> Reply<'a, 'c> {
        let reply = reply.with("Access-Control-Allow-Origin", origin);
        let reply = match self.origins {
            Some(_) => reply.with("Vary", "Origin"),
            None => reply,
        };
        match self.credentials {
            true => reply.with("Access-Control-Allow-Credentials", "true"),
            false => reply,
        }
    }

    fn preflight(&self, request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
        let mut reply = reply
            .with("Access-Control-Allow-Methods", &self.methods)
            .with("Access-Control-Max-Age", self.max_age.as_secs().to_string());
        let asked = request.header("access-control-request-headers");
        match (&self.headers, asked) {
            (Some(headers), _) => reply = reply.with("Access-Control-Allow-Headers", headers),
            (None, Some(asked)) => {
                reply = reply
                    .with("Access-Control-Allow-Headers", asked)
                    .with("Vary", "Access-Control-Request-Headers");
            }
            (None, None) => {}
        }
        reply.send(204, &[], b"")
    }
}

/// `scheme://host`, perhaps with a port (RFC 6454 §6.2). `null` is everybody's, and so nobody's.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(in_scheme)
        && !host.is_empty()
        && host.bytes().all(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::router::Router;
    use crate::web::testing::{ask, field, fields};
    use std::rc::Rc;

    fn router(cors: Cors) -> Rc<Router> {
        Rc::new(Router::new().get("/", |_, reply| reply.text(200, "a")).wrap(cors.middleware()))
    }

    fn list() -> Cors {
        let origins = ["https://a.example", "HTTP://localhost:3000"].map(String::from);
        Cors::origins(origins).expect("origins")
    }

    #[test]
    fn listed_origins_are_named_and_all_answers_vary() {
        let router = router(list().credentials().expose(&["ETag"]));
        for (origin, allowed) in [
            ("https://a.example", true),
            ("http://localhost:3000", true),
            ("http://a.example", false),
            ("https://a.example.evil", false),
            ("https://a.example:443", false),
            ("null", false),
        ] {
            let answer = ask(&router, "GET", "/", &format!("Origin: {origin}\r\n"), "");
            let says = allowed.then_some(origin);
            assert_eq!(field(&answer, "Access-Control-Allow-Origin"), says, "{answer}");
            let credentials = field(&answer, "Access-Control-Allow-Credentials");
            assert_eq!(credentials, allowed.then_some("true"), "{answer}");
            let exposed = field(&answer, "Access-Control-Expose-Headers");
            assert_eq!(exposed, allowed.then_some("ETag"), "{answer}");
            assert_eq!(fields(&answer, "Vary"), ["Origin"], "{answer}");
            assert!(answer.ends_with("\r\n\r\na"), "it is the page that must not read: {answer}");
        }
        let answer = ask(&router, "GET", "/", "", "");
        assert_eq!(fields(&answer, "Vary"), ["Origin"], "{answer}");
    }

    #[test]
    fn any_origin_is_a_star_and_never_with_credentials() {
        let router = router(Cors::any().credentials());
        let answer = ask(&router, "GET", "/", "Origin: https://b.example\r\n", "");
        assert_eq!(field(&answer, "Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(field(&answer, "Access-Control-Allow-Credentials"), None);
        assert_eq!(field(&answer, "Vary"), None);
    }

    #[test]
    fn preflights_are_answered_before_the_routes() {
        let asks = "Access-Control-Request-Method: PUT\r\n\
            Access-Control-Request-Headers: content-type, if-match\r\n";
        let from = |origin| format!("Origin: {origin}\r\n{asks}");
        let open = router(list().max_age(Duration::from_secs(60)));
        let answer = ask(&open, "OPTIONS", "/nowhere", &from("https://a.example"), "");
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
        for (name, value) in [
            ("Access-Control-Allow-Origin", "https://a.example"),
            ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
            ("Access-Control-Allow-Headers", "content-type, if-match"),
            ("Access-Control-Max-Age", "60"),
        ] {
            assert_eq!(field(&answer, name), Some(value), "{answer}");
        }
        assert_eq!(fields(&answer, "Vary"), ["Origin", "Access-Control-Request-Headers"]);

        let answer = ask(&open, "OPTIONS", "/", &from("https://b.example"), "");
        assert_eq!(field(&answer, "Allow"), Some("GET, HEAD, OPTIONS"), "{answer}");
        assert_eq!(field(&answer, "Access-Control-Allow-Methods"), None, "{answer}");
        let answer = ask(&open, "OPTIONS", "/", "Origin: https://a.example\r\n", "");
        assert_eq!(field(&answer, "Allow"), Some("GET, HEAD, OPTIONS"), "no preflight: {answer}");

        let narrow = router(list().methods(&["GET"]).headers(&["Accept"]));
        let answer = ask(&narrow, "OPTIONS", "/", &from("https://a.example"), "");
        assert_eq!(field(&answer, "Access-Control-Allow-Methods"), Some("GET"));
        assert_eq!(field(&answer, "Access-Control-Allow-Headers"), Some("Accept"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in ["", "*", "null", "a.example", "https://", "https://a/", "https://a b", "://a"]
        {
            assert_eq!(Cors::origins([text.to_owned()]).err().as_deref(), Some(text));
        }
    }
}
