//! The pictures of a page, by what they are about.
//!
//! Called by `report`. A picture without data is left out, and a section without pictures too.

use super::section;
use crate::compare::charts::Charts;
use crate::compare::figure::Figure;
use crate::compare::markup::escape;
use crate::compare::plot::{Frame, Plot, key};
use crate::compare::quantity::{NOTHING, Unit};

/// Pictures that belong together.
struct Topic {
    id: &'static str,
    title: &'static str,
    note: &'static str,
    pictures: &'static [(&'static str, Figure)],
}

const TOPICS: [Topic; 11] = [
    Topic {
        id: "throughput",
        title: "Throughput against connections",
        note: "The middle of the runs; whiskers are the lowest and the highest. Requests per CPU \
               second are what the server alone can be held to: the client bounds the rate.",
        pictures: &[
            ("keep-alive", Figure::Rate),
            ("keep-alive", Figure::PerCpu),
            ("tls", Figure::PerCpu),
            ("churn", Figure::PerCpu),
            ("handshakes", Figure::PerCpu),
            ("slow", Figure::PerCpu),
            ("echo", Figure::PerCpu),
            ("websocket", Figure::PerCpu),
        ],
    },
    Topic {
        id: "work",
        title: "Throughput and latency against the work of a request",
        note: "A handler that computes does so on the thread that serves: that is what a loop pays \
               for, and what it has off-loading for.",
        pictures: &[
            ("payload", Figure::PerCpu),
            ("pipeline", Figure::PerCpu),
            ("compute", Figure::Rate),
            ("compute", Figure::P99),
            ("mix", Figure::P50),
            ("mix", Figure::P99),
        ],
    },
    Topic {
        id: "latency",
        title: "Percentiles against connections",
        note: "Closed loop: each connection sends its next request when it has its answer, so \
               latency grows with connections as soon as the server is busy.",
        pictures: &[
            ("keep-alive", Figure::P50),
            ("keep-alive", Figure::P99),
            ("keep-alive", Figure::P999),
            ("tls", Figure::P99),
        ],
    },
    Topic {
        id: "knee",
        title: "Latency against offered load",
        note: "Open loop: requests are sent when they are due, whatever the server does, and timed \
               from then. Where the curve turns upwards is what a model can carry.",
        pictures: &[
            ("open", Figure::P50),
            ("open", Figure::P99),
            ("open", Figure::P999),
            ("open", Figure::Kept),
        ],
    },
    Topic {
        id: "cpu",
        title: "CPU of a request",
        note: "The server's process, all its threads: user code, and the kernel on its behalf.",
        pictures: &[
            ("keep-alive", Figure::UserCpu),
            ("keep-alive", Figure::SystemCpu),
            ("open", Figure::Cpu),
            ("idle", Figure::Cpu),
        ],
    },
    Topic {
        id: "calls",
        title: "System calls and context switches of a request",
        note: "Calls are counted where they are made, so a foreign server has none to show. Switches \
               and the delay of the run queue are the kernel's figures.",
        pictures: &[
            ("keep-alive", Figure::Calls),
            ("keep-alive", Figure::Voluntary),
            ("keep-alive", Figure::Involuntary),
            ("keep-alive", Figure::RunDelay),
        ],
    },
    Topic {
        id: "memory",
        title: "Memory of a connection",
        note: "Resident memory beyond that of the idle server, divided by connections; from 64 \
               connections on. What the kernel holds is of bytes that are queued in sockets, at both \
               ends; its own memory is that of sockets, files and their names, at both ends too, \
               where root asked. Both are of the whole machine, and rank nobody.",
        pictures: &[
            ("idle", Figure::Memory),
            ("idle", Figure::Kernel),
            ("idle", Figure::Slabs),
            ("keep-alive", Figure::Memory),
            ("keep-alive", Figure::Threads),
        ],
    },
    Topic {
        id: "fairness",
        title: "Fairness",
        note: "Jain's index of answers per connection: 1 is even, 1/n is all to one. And how much \
               slower the slowest connection is than the middle one.",
        pictures: &[("keep-alive", Figure::Jain), ("keep-alive", Figure::Uneven)],
    },
    Topic {
        id: "connecting",
        title: "Connecting",
        note: "",
        pictures: &[
            ("churn", Figure::ConnectP99),
            ("keep-alive", Figure::ConnectP99),
            ("churn", Figure::Overflows),
            ("handshakes", Figure::HandshakeP99),
        ],
    },
    Topic {
        id: "turns",
        title: "Turns of the loops",
        note: "Of the models that have a loop. A turn handles all that was ready; its length is how \
               long the last of them waits. Times are powers of two, rounded up.",
        pictures: &[
            ("keep-alive", Figure::TurnP99),
            ("keep-alive", Figure::Events),
            ("keep-alive", Figure::TimerP99),
            ("keep-alive", Figure::BudgetStops),
        ],
    },
    Topic {
        id: "recovery",
        title: "Recovery",
        note: "How long after a stop, or after an overload, until latency was as before. A run in which it \
               never was counts with all the time there was: it took at least that long.",
        pictures: &[("stall", Figure::Recovery), ("overload", Figure::Recovery)],
    },
];

/// All sections with pictures.
pub(super) fn sections(charts: &Charts<'_>) -> String {
    let mut html = String::new();
    for topic in &TOPICS {
        let mut plots: Vec<Plot> = topic
            .pictures
            .iter()
            .filter_map(|(workload, figure)| charts.against(workload, *figure))
            .collect();
        if topic.id == "recovery" {
            plots.extend(charts.places("overload").into_iter().filter_map(|x| charts.overload(x)));
        }
        let beside = if topic.id == "calls" { traced(charts) } else { String::new() };
        html.push_str(&gallery(topic.id, topic.title, topic.note, &plots, &beside));
        if topic.id == "knee" {
            html.push_str(&curves(charts));
        }
        if topic.id == "memory" {
            html.push_str(&stall(charts));
        }
    }
    html
}

fn curves(charts: &Charts<'_>) -> String {
    let mut plots = Vec::new();
    for workload in ["keep-alive", "open"] {
        let places = charts.places(workload);
        let mut chosen = vec![places.get(places.len() / 2), places.last()];
        chosen.dedup();
        let chosen = chosen.into_iter().flatten();
        plots.extend(chosen.filter_map(|x| charts.curve(workload, *x)));
    }
    let note = "Every answer of the middle run: how large a share was at least so fast. Each \
                further nine has the same room.";
    gallery("curves", "Percentile curves", note, &plots, "")
}

fn stall(charts: &Charts<'_>) -> String {
    let stalled = charts.stalled();
    let plots = stalled.iter().filter_map(|(model, x)| charts.stall(model, *x));
    let note = "The server is stopped, and continued. Timed from when each request was due, all that \
                fell due in the meantime waited (full line). Timed from when it was sent, nearly \
                nothing was sent meanwhile, so nearly nothing is seen (dashed): that is the error \
                which a load without planned times makes.";
    gallery(
        "stall",
        "A stopped server, corrected and uncorrected",
        note,
        &plots.collect::<Vec<_>>(),
        "",
    )
}

fn gallery(id: &str, title: &str, note: &str, plots: &[Plot], beside: &str) -> String {
    if plots.is_empty() {
        return String::new();
    }
    let figures: String = plots.iter().map(figure).collect();
    section(id, title, note, &format!("<div class=\"charts\">\n{figures}</div>\n{beside}"))
}

/// What was counted against what a tracer saw: they must agree.
fn traced(charts: &Charts<'_>) -> String {
    let row = |(model, place, counted, traced): (&str, String, Option<f64>, f64)| {
        let show = |value| Unit::Count.show(value);
        format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            escape(model),
            escape(&place),
            counted.map_or(NOTHING.into(), show),
            show(traced)
        )
    };
    let rows: String = charts.traced().into_iter().map(row).collect();
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<h3>Counted, and traced</h3>\n<p class=\"note\">System calls of a request as they are counted \
         in process, and as a tracer counted those of the whole process in a run of its own, those for making its \
         connections included.</p>\n\
         <div class=\"wide\"><table><thead><tr><th scope=\"col\">Model</th><th scope=\"col\">At</th>\
         <th scope=\"col\">Counted</th><th scope=\"col\">Traced</th></tr></thead>\n<tbody>\n{rows}\
         </tbody></table></div>\n"
    )
}

/// A picture in the page: its title, its legend, itself.
fn figure(plot: &Plot) -> String {
    let legend: String = plot
        .named()
        .into_iter()
        .map(|line| {
            format!(
                "<li data-slot=\"{}\">{}{}</li>",
                line.slot,
                key(line.slot, line.dashed),
                escape(&line.name)
            )
        })
        .collect();
    let remark = match plot.remark {
        "" => String::new(),
        remark => format!("<p class=\"remark\">{}</p>", escape(remark)),
    };
    format!(
        "<figure class=\"card\"><figcaption>{}</figcaption><ul class=\"legend\">{legend}</ul>{remark}\n{}</figure>\n",
        escape(&plot.title),
        plot.svg(Frame::Page)
    )
}
