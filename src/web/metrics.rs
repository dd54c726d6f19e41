//! Measures of a web server in the Prometheus text format: requests by route, method and class of
//! status, how long they took, and what services register of their own.
//!
//! [`Registry::watch`] is a middleware; whoever serves `/metrics` calls [`Registry::render`]. Labels
//! are taken from patterns, known methods and classes, never from what a stranger sent, so that
//! there are never more of them than routes.

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::rc::Rc;
use std::time::Duration;

use crate::session::http::{Answered, Outcome, Reply};
use crate::web::router::{Next, Request};

/// What begins the name of every measure.
const PREFIX: &str = "readyloop_";

/// The methods that are told apart.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// The classes of status; requests whose peer left before an answer are `none`.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The label of requests that no route took.
const UNROUTED: &str = "none";

/// The bounds of the histograms' buckets, in microseconds, and how they are written in seconds.
const BOUNDS: [(u64, &str); 10] = [
    (100, "0.0001"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (5_000, "0.005"),
    (25_000, "0.025"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (2_500_000, "2.5"),
    (10_000_000, "10"),
    (60_000_000, "60"),
];

/// All that is measured.
#[derive(Default)]
pub struct Registry {
    routes: RefCell<HashMap<Box<str>, Rc<Route>>>,
    own: RefCell<Vec<Own>>,
}

/// A measure that its service keeps itself.
struct Own {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> u64>,
}

/// The requests of one route.
#[derive(Debug, Default)]
pub struct Route {
    counts: [[Cell<u64>; CLASSES.len()]; METHODS.len()],
    buckets: [Cell<u64>; BOUNDS.len()],
    took: Cell<Duration>,
    ended: Cell<u64>,
}

fn add(cell: &Cell<u64>, count: u64) {
    cell.set(cell.get().saturating_add(count));
}

impl Route {
    /// Counts a request with this method and outcome.
    #[inline]
    pub fn count(&self, method: &str, outcome: &Outcome) {
        self.count_at(method_index(method), outcome);
    }

    #[inline]
    fn count_at(&self, method: usize, outcome: &Outcome) {
        let class = usize::from(outcome.status / 100).min(CLASSES.len() - 1);
        if let Some(count) = self.counts.get(method).and_then(|classes| classes.get(class)) {
            add(count, 1);
        }
        add(&self.ended, 1);
        self.took.set(self.took.get().saturating_add(outcome.took));
        let micros = u64::try_from(outcome.took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().zip(&self.buckets).find(|((bound, _), _)| micros <= *bound);
        if let Some((_, bucket)) = bucket {
            add(bucket, 1);
        }
    }
}

#[inline]
fn method_index(method: &str) -> usize {
    METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1)
}

impl Registry {
    /// A registry of nothing.
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    /// Registers a number that rises and falls. `name` is told with the prefix `readyloop_`.
    pub fn gauge(&self, name: &'static str, help: &'static str, read: impl Fn() -> u64 + 'static) {
        self.own.borrow_mut().push(Own { name, kind: "gauge", help, read: Box::new(read) });
    }

    /// Registers a number that only rises; its name should end in `_total`.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + 'static,
    ) {
        self.own.borrow_mut().push(Own { name, kind: "counter", help, read: Box::new(read) });
    }

    /// The counts of a route, by its pattern.
    pub fn route(&self, pattern: &str) -> Rc<Route> {
        let mut routes = self.routes.borrow_mut();
        if let Some(route) = routes.get(pattern) {
            return Rc::clone(route);
        }
        let route = Rc::new(Route::default());
        routes.insert(pattern.into(), Rc::clone(&route));
        route
    }

    /// A middleware that counts all requests that pass it, and how long their answers took.
    pub fn watch(
        self: &Rc<Self>,
    ) -> impl Fn(&Request<'_>, Reply<'_, '_>, Next<'_>) -> Answered + 'static {
        let registry = Rc::clone(self);
        move |request, reply, next| {
            let route = registry.route(request.pattern().unwrap_or(UNROUTED));
            let method = method_index(request.method);
            next.run(request, reply).on_end(move |outcome| route.count_at(method, outcome))
        }
    }

    /// Appends all measures to a page.
    pub fn render(&self, page: &mut Page) {
        let routes = self.routes.borrow();
        let mut routes: Vec<(&str, &Rc<Route>)> =
            routes.iter().map(|(pattern, route)| ((*pattern).borrow(), route)).collect();
        routes.sort_unstable_by_key(|(pattern, _)| *pattern);
        let name = "http_requests_total";
        page.head(name, "counter", "Requests answered, by route, method and class of status.");
        for (pattern, route) in &routes {
            render_counts(page, name, pattern, route);
        }
        let name = "http_request_duration_seconds";
        page.head(name, "histogram", "From a request's head to the end of its answer, by route.");
        for (pattern, route) in &routes {
            render_buckets(page, name, pattern, route);
        }
        for Own { name, kind, help, read } in &*self.own.borrow() {
            page.single(name, kind, help, read());
        }
    }
}

fn render_counts(page: &mut Page, name: &str, pattern: &str, route: &Route) {
    for (method, classes) in METHODS.iter().zip(&route.counts) {
        for (class, count) in CLASSES.iter().zip(classes) {
            if count.get() > 0 {
                let labels = [("route", pattern), ("method", method), ("class", class)];
                page.labelled(name, &labels, count.get());
            }
        }
    }
}

fn render_buckets(page: &mut Page, name: &str, pattern: &str, route: &Route) {
    let bucket_name = format!("{name}_bucket");
    let mut sum = 0_u64;
    for ((_, bound), count) in BOUNDS.iter().zip(&route.buckets) {
        sum = sum.saturating_add(count.get());
        page.labelled(&bucket_name, &[("route", pattern), ("le", bound)], sum);
    }
    page.labelled(&bucket_name, &[("route", pattern), ("le", "+Inf")], route.ended.get());
    let took = route.took.get().as_secs_f64();
    page.labelled(&format!("{name}_sum"), &[("route", pattern)], took);
    page.labelled(&format!("{name}_count"), &[("route", pattern)], route.ended.get());
}

/// A page in the Prometheus text format.
#[derive(Debug, Default)]
pub struct Page(String);

// Writing to a string cannot fail.
impl Page {
    /// The media type.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// An empty page.
    pub fn new() -> Self {
        Page(String::with_capacity(16 * 1024))
    }

    /// Says what the measures that follow are.
    pub fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
    }

    /// A measure without labels, and what it is.
    pub fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "{PREFIX}{name} {value}");
    }

    /// A measure with labels.
    pub fn labelled(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "{PREFIX}{name}{{");
        for (position, (label, of)) in labels.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            let of = of.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{comma}{label}=\"{of}\"");
        }
        let _ = writeln!(self.0, "}} {value}");
    }

    /// A histogram without labels. `counts` holds the highest value of each bucket, rising, and how
    /// many fell into it alone; the last one's value is infinite.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        counts: impl Iterator<Item = (f64, u64)>,
        sum: f64,
    ) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut seen = 0_u64;
        for (bound, count) in counts {
            seen = seen.saturating_add(count);
            match bound.is_finite() {
                true => self.labelled(&bucket, &[("le", &bound.to_string())], seen),
                false => self.labelled(&bucket, &[("le", "+Inf")], seen),
            }
        }
        let _ = writeln!(self.0, "{PREFIX}{name}_sum {sum}\n{PREFIX}{name}_count {seen}");
    }

    /// The page.
    pub fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, micros: u64) -> Outcome {
        Outcome { status, took: Duration::from_micros(micros), ..Outcome::default() }
    }

    fn text(registry: &Registry) -> String {
        let mut page = Page::new();
        registry.render(&mut page);
        page.text()
    }

    #[test]
    fn requests_are_counted_by_what_they_were_and_never_by_what_they_said() {
        let registry = Registry::new();
        let route = registry.route("/notes/{id}");
        route.count("GET", &outcome(200, 0));
        route.count("GET", &outcome(204, 0));
        route.count("GET", &outcome(404, 0));
        route.count("get\"x", &outcome(999, 0));
        registry.route("/notes/{id}").count("PROPFIND", &outcome(0, 0));
        let text = text(&registry);
        let counts: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("readyloop_http_requests_total{route="))
            .collect();
        assert_eq!(
            counts,
            [
                r#""/notes/{id}",method="GET",class="2xx"} 2"#,
                r#""/notes/{id}",method="GET",class="4xx"} 1"#,
                r#""/notes/{id}",method="other",class="none"} 1"#,
                r#""/notes/{id}",method="other",class="5xx"} 1"#,
            ]
        );
    }

    #[test]
    fn a_bucket_holds_all_that_took_no_longer() {
        let registry = Registry::new();
        let route = registry.route("/");
        for micros in [0, 100, 101, 5_000, 70_000_000] {
            route.count("GET", &outcome(200, micros));
        }
        let text = text(&registry);
        for line in [
            r#"_bucket{route="/",le="0.0001"} 2"#,
            r#"_bucket{route="/",le="0.0005"} 3"#,
            r#"_bucket{route="/",le="0.005"} 4"#,
            r#"_bucket{route="/",le="60"} 4"#,
            r#"_bucket{route="/",le="+Inf"} 5"#,
            r#"_sum{route="/"} 70.005201"#,
            r#"_count{route="/"} 5"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn services_register_their_own() {
        let registry = Registry::new();
        let members = Rc::new(Cell::new(3));
        registry.gauge("chat_members", "Members of the room.", {
            let members = Rc::clone(&members);
            move || members.get()
        });
        registry.counter("said_total", "Things said.", || 7);
        members.set(4);
        let text = text(&registry);
        assert!(text.contains("# TYPE readyloop_chat_members gauge\nreadyloop_chat_members 4\n"));
        assert!(text.contains("# TYPE readyloop_said_total counter\nreadyloop_said_total 7\n"));
    }

    #[test]
    fn a_histogram_adds_its_buckets_up() {
        let mut page = Page::new();
        let counts = [(0.001, 2), (0.002, 0), (f64::INFINITY, 1)];
        page.histogram("wait_seconds", "Waits.", counts.into_iter(), 5.5);
        let expected = "\
# HELP readyloop_wait_seconds Waits.
# TYPE readyloop_wait_seconds histogram
readyloop_wait_seconds_bucket{le=\"0.001\"} 2
readyloop_wait_seconds_bucket{le=\"0.002\"} 2
readyloop_wait_seconds_bucket{le=\"+Inf\"} 3
readyloop_wait_seconds_sum 5.5
readyloop_wait_seconds_count 3
";
        assert_eq!(page.text(), expected);
    }

    #[test]
    fn labels_cannot_leave_their_quotes() {
        let mut page = Page::new();
        page.labelled("a", &[("b", "\"\\\n")], 1);
        assert_eq!(page.text(), "readyloop_a{b=\"\\\"\\\\\\n\"} 1\n");
    }
}
