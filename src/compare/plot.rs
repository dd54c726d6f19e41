//! One kind of picture: several models, a line each, over a common axis.
//!
//! `charts` decides what is drawn; here it becomes SVG through plotters. Colours are not written
//! into it: plotters draws in marker colours, each of which becomes a class, and a style sheet gives
//! the class its colour in light and in dark. So the same picture suits a page and a README.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::look;
use super::markup::escape;

/// A point of a line, with the spread of its runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dot {
    pub(super) x: f64,
    pub(super) y: f64,
    /// Lowest and highest run.
    pub(super) spread: Option<(f64, f64)>,
    /// What a pointer that rests on it is told.
    pub(super) said: String,
}

/// A line of a plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    /// Its colour and its shape, from `look`.
    pub(super) slot: usize,
    pub(super) dots: Vec<Dot>,
    /// For what is shown beside the thing itself, such as an uncorrected latency.
    pub(super) dashed: bool,
    /// Too many points for a shape at each.
    pub(super) dense: bool,
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plot {
    pub(super) title: String,
    /// What it shows, in a sentence, for who cannot see it.
    pub(super) about: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// What is to be known of it; often nothing.
    pub(super) remark: &'static str,
}

/// Where a picture stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// In a page, which gives it its title, its legend and its colours.
    Page,
    /// Alone: it brings all of them.
    Alone,
}

/// Plotters draws at whole numbers; so many of them are one CSS pixel.
const FINE: i32 = 4;

/// Kinds of marker colours, in red; green is the slot, blue tells them from any other colour.
const INK: u8 = 0xE0;
const SOFT: u8 = 0xE1;
const GRID: u8 = 0xE2;
const SOLID: u8 = 0xE3;
const DASHED: u8 = 0xE4;
const WHISKER: u8 = 0xE5;
const MARK: u8 = 0x5D;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn colour(kind: u8, slot: usize) -> RGBColor {
    RGBColor(kind, u8::try_from(slot).unwrap_or(0), MARK)
}

fn text<'a>(size: i32, kind: u8, h: HPos, v: VPos) -> TextStyle<'a> {
    // Plotters divides by this when it writes the size of a font.
    let size = f64::from(size * FINE) * 1.24;
    TextStyle {
        font: ("sans-serif", size).into_font(),
        color: colour(kind, 0).to_backend_color(),
        pos: Pos::new(h, v),
    }
}

fn px(pixels: i32) -> i32 {
    pixels * FINE
}

/// Where things are, in CSS pixels.
struct Layout {
    width: i32,
    height: i32,
    top: i32,
    right: i32,
    text: i32,
}

impl Frame {
    fn layout(self) -> Layout {
        match self {
            Self::Page => Layout { width: 480, height: 304, top: 36, right: 26, text: 12 },
            Self::Alone => Layout { width: 760, height: 404, top: 72, right: 136, text: 13 },
        }
    }
}

impl Plot {
    /// A line of each name, for a legend.
    pub(super) fn named(&self) -> Vec<&Line> {
        let mut named: Vec<&Line> = Vec::new();
        for line in &self.lines {
            if named.iter().all(|other| other.name != line.name) {
                named.push(line);
            }
        }
        named
    }

    /// True if there is nothing to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.dots.is_empty())
    }

    /// The picture as SVG.
    pub(super) fn svg(&self, frame: Frame) -> String {
        let layout = self.layout(frame);
        let size = (px(layout.width) as u32, px(layout.height) as u32);
        let (mut drawn, mut hot) = (String::new(), String::new());
        {
            let root = SVGBackend::with_string(&mut drawn, size).into_drawing_area();
            // Drawing into a string cannot fail; a picture that did is an empty one.
            if self.draw(&root, frame, &mut hot).and_then(|()| root.present()).is_err() {
                return String::new();
            }
        }
        self.dress(&drawn, &hot, frame)
    }

    /// The frame's, with room for the longest name beside the picture.
    fn layout(&self, frame: Frame) -> Layout {
        let layout = frame.layout();
        let longest = self.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
        let legend = 52 + 7 * i32::try_from(longest.min(40)).unwrap_or(0);
        match frame {
            Frame::Page => layout,
            Frame::Alone => Layout { right: layout.right.max(legend), ..layout },
        }
    }

    fn draw(&self, root: &Area<'_>, frame: Frame, hot: &mut String) -> Drawn {
        let layout = self.layout(frame);
        let small = layout.text;
        let mut chart = ChartBuilder::on(root)
            .margin_top(px(layout.top))
            .margin_right(px(layout.right))
            .margin_left(px(6))
            .margin_bottom(px(4))
            .x_label_area_size(px(40))
            .y_label_area_size(px(50))
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(ShapeStyle::from(&colour(GRID, 0)).stroke_width(FINE as u32))
            .axis_style(ShapeStyle::from(&colour(GRID, 0)).stroke_width(FINE as u32))
            .set_all_tick_mark_size(px(4))
            .x_label_style(text(small, SOFT, HPos::Center, VPos::Top))
            .y_label_style(text(small, SOFT, HPos::Right, VPos::Center))
            .x_label_formatter(&|tick| self.x.label(*tick))
            .y_label_formatter(&|tick| self.y.label(*tick))
            .draw()?;
        let style = text(small, INK, HPos::Left, VPos::Bottom);
        root.draw(&Text::new(self.y.title.clone(), (px(6), px(layout.top - 14)), style))?;
        // Plotters would write this twice, with its light lines and with its bold ones.
        let style = text(small, INK, HPos::Center, VPos::Bottom);
        let middle = (56 + layout.width - layout.right) / 2;
        root.draw(&Text::new(self.x.title.clone(), (px(middle), px(layout.height - 4)), style))?;
        let placed: Vec<Vec<(i32, i32)>> = self
            .lines
            .iter()
            .map(|line| line.dots.iter().map(|dot| chart.backend_coord(&(dot.x, dot.y))).collect())
            .collect();
        for (line, places) in self.lines.iter().zip(&placed) {
            for (dot, (x, _)) in line.dots.iter().zip(places) {
                let Some((low, high)) = dot.spread.filter(|(low, high)| low < high) else {
                    continue;
                };
                let low = chart.backend_coord(&(dot.x, low)).1;
                let high = chart.backend_coord(&(dot.x, high)).1;
                whisker(root, *x, low, high, line.slot)?;
            }
        }
        for (line, places) in self.lines.iter().zip(&placed) {
            trace(root, line, places)?;
        }
        for (line, places) in self.lines.iter().zip(&placed) {
            mark(root, line, places)?;
            heat(hot, line, places);
        }
        if frame == Frame::Alone {
            self.caption(root, &layout)?;
        }
        Ok(())
    }

    /// Title and legend of a picture that stands alone.
    fn caption(&self, root: &Area<'_>, layout: &Layout) -> Drawn {
        let style = text(16, INK, HPos::Left, VPos::Center);
        root.draw(&Text::new(self.title.clone(), (px(6), px(20)), style))?;
        let style = text(12, SOFT, HPos::Right, VPos::Bottom);
        let corner = (px(layout.width - 6), px(layout.height - 4));
        root.draw(&Text::new(self.remark, corner, style))?;
        let left = layout.width - layout.right + 14;
        for (row, line) in self.named().into_iter().enumerate() {
            let middle = layout.top + 10 + 21 * i32::try_from(row).unwrap_or(0);
            let ends = [(px(left), px(middle)), (px(left + 24), px(middle))];
            trace(root, line, &ends)?;
            shape(root, line.slot, (px(left + 12), px(middle)))?;
            let style = text(13, INK, HPos::Left, VPos::Center);
            root.draw(&Text::new(line.name.clone(), (px(left + 32), px(middle)), style))?;
        }
        Ok(())
    }

    /// Takes plotters' colours and sizes out, and puts classes, words and a style in.
    fn dress(&self, drawn: &str, hot: &str, frame: Frame) -> String {
        let layout = self.layout(frame);
        let body = drawn.split_once('>').map_or("", |(_, body)| body);
        let body = body.trim_end().strip_suffix("</svg>").unwrap_or(body);
        let (title, about) = (escape(&self.title), escape(&self.about));
        let style = match frame {
            Frame::Page => String::new(),
            Frame::Alone => format!("<style>{}</style>\n", alone()),
        };
        // A picture alone may be wider than it was made, a page decides itself.
        let size = match frame {
            Frame::Page => String::new(),
            Frame::Alone => format!(" width=\"{}\" height=\"{}\"", layout.width, layout.height),
        };
        let (width, height) = (px(layout.width), px(layout.height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" \
             aria-label=\"{title}\"{size} viewBox=\"0 0 {width} {height}\">\n\
             <title>{title}</title>\n<desc>{about}</desc>\n{style}{}{hot}</svg>\n",
            classes(body.trim_start())
        )
    }
}

/// From the lowest run to the highest.
fn whisker(root: &Area<'_>, x: i32, low: i32, high: i32, slot: usize) -> Drawn {
    let style = ShapeStyle::from(&colour(WHISKER, slot)).stroke_width(px(1) as u32 + 2);
    let arm = px(3);
    for ends in [
        [(x, low), (x, high)],
        [(x - arm, low), (x + arm, low)],
        [(x - arm, high), (x + arm, high)],
    ] {
        root.draw(&PathElement::new(ends.to_vec(), style))?;
    }
    Ok(())
}

fn trace(root: &Area<'_>, line: &Line, places: &[(i32, i32)]) -> Drawn {
    let kind = if line.dashed { DASHED } else { SOLID };
    let style = ShapeStyle::from(&colour(kind, line.slot)).stroke_width(px(2) as u32);
    for piece in pieces(line) {
        let piece: Vec<(i32, i32)> = places.get(piece).unwrap_or_default().to_vec();
        root.draw(&PathElement::new(piece, style))?;
    }
    Ok(())
}

/// A line over time is not drawn where there was nothing to measure.
fn pieces(line: &Line) -> Vec<Range<usize>> {
    let gaps = line.dots.windows(2).filter_map(|pair| Some(pair.last()?.x - pair.first()?.x));
    let gaps: Vec<f64> = gaps.collect();
    let least = gaps.iter().copied().fold(f64::INFINITY, f64::min);
    let is_gap = |gap: f64| line.dense && gap > 2.5 * least;
    let mut pieces = Vec::new();
    let mut from = 0;
    for (index, _) in gaps.iter().enumerate().filter(|(_, gap)| is_gap(**gap)) {
        pieces.push(from..index + 1);
        from = index + 1;
    }
    pieces.push(from..line.dots.len());
    pieces
}

/// Where a line has its shapes: at all points, or at a few of very many.
fn marked(line: &Line) -> impl Fn(&usize) -> bool {
    let apart = if line.dense { (line.dots.len() / 6).max(1) } else { 1 };
    // Not all lines at the same places, where shapes would hide each other.
    let first = if line.dense { (line.slot * 3) % apart } else { 0 };
    move |index| index % apart == first
}

fn mark(root: &Area<'_>, line: &Line, places: &[(i32, i32)]) -> Drawn {
    let wanted = marked(line);
    for (_, place) in places.iter().enumerate().filter(|(index, _)| wanted(index)) {
        shape(root, line.slot, *place)?;
    }
    Ok(())
}

fn shape(root: &Area<'_>, slot: usize, (x, y): (i32, i32)) -> Drawn {
    let style = ShapeStyle::from(&colour(SOLID, slot)).filled();
    let corners = look::shape(slot);
    if corners.is_empty() {
        return root.draw(&Circle::new((x, y), px(4), style));
    }
    let size = f64::from(FINE) * 3.7;
    let at =
        |(dx, dy): &(f64, f64)| (x + (dx * size).round() as i32, y + (dy * size).round() as i32);
    root.draw(&Polygon::new(corners.iter().map(at).collect::<Vec<_>>(), style))
}

/// Invisible circles that say what a point is to a pointer that rests on it.
fn heat(hot: &mut String, line: &Line, places: &[(i32, i32)]) {
    for (dot, (x, y)) in line.dots.iter().zip(places) {
        if !dot.said.is_empty() {
            hot.push_str(&format!(
                "<circle class=\"hot\" cx=\"{x}\" cy=\"{y}\" r=\"{}\"><title>{}</title></circle>\n",
                px(9),
                escape(&dot.said)
            ));
        }
    }
}

/// Classes in place of marker colours. An element has one of them, as a fill or as a stroke.
fn classes(drawn: &str) -> String {
    let mut dressed = String::with_capacity(drawn.len());
    for line in drawn.lines().filter(|line| !line.is_empty()) {
        let line = line.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "");
        let line = line.replace(" stroke-width=\"1\"/>", "/>");
        dressed.push_str(&classed(&line).unwrap_or(line));
        dressed.push('\n');
    }
    dressed
}

fn classed(line: &str) -> Option<String> {
    let fills = line.find("fill=\"#");
    let (start, kind) = match fills {
        Some(start) => (start, "f"),
        None => (line.find("stroke=\"#")?, "s"),
    };
    let hash = start + line.get(start..)?.find('#')?;
    let of = |at: usize| u8::from_str_radix(line.get(hash + at..hash + at + 2)?, 16).ok();
    let (red, slot, blue) = (of(1)?, of(3)?, of(5)?);
    if blue != MARK {
        return None;
    }
    let class = match red {
        INK => "ink".into(),
        SOFT => "tick".into(),
        GRID => "mesh".into(),
        SOLID => format!("{kind}{slot}"),
        DASHED => format!("{kind}{slot} dash"),
        WHISKER => format!("{kind}{slot} whisker"),
        _ => return None,
    };
    // Eight characters of colour and the quotation mark after it are replaced with the attribute.
    Some(format!("{}class=\"{class}\"{}", line.get(..start)?, line.get(hash + 8..)?))
}

/// Rules of every picture, wherever it stands.
pub(super) const RULES: &str = "\
.plot{font-family:system-ui,-apple-system,'Segoe UI',sans-serif}\
.plot text{fill:currentColor}.plot .tick{opacity:.75}\
.plot .mesh{stroke:currentColor;opacity:.16}\
.plot .whisker{opacity:.55}.plot .dash{stroke-dasharray:20 14;opacity:.8}\
.plot polyline{stroke-linejoin:round}.plot .hot{fill:transparent}";

/// Colours of the slots, light and dark as whoever looks wishes.
pub(super) fn palette() -> (String, String) {
    let all = |pick: fn(&(&'static str, &'static str)) -> &'static str| {
        let colours = look::COLOURS.iter().enumerate();
        colours.map(|(slot, pair)| format!("--m{slot}:{};", pick(pair))).collect::<String>()
    };
    (all(|pair| pair.0), all(|pair| pair.1))
}

/// The classes that use them.
pub(super) fn painted() -> String {
    (0..look::SLOTS)
        .map(|slot| format!(".f{slot}{{fill:var(--m{slot})}}.s{slot}{{stroke:var(--m{slot})}}"))
        .collect()
}

/// The whole style of a picture that stands alone.
fn alone() -> String {
    let (light, dark) = palette();
    format!(
        ".plot{{{light}color:#24292f}}@media(prefers-color-scheme:dark){{.plot{{{dark}color:#d8dee4}}}}\
         {RULES}{}",
        painted()
    )
}

/// A small picture of a line's shape, for a legend in a page.
pub(super) fn key(slot: usize, dashed: bool) -> String {
    let dash = if dashed { " dash" } else { "" };
    let corners = look::shape(slot);
    let shape = match corners.is_empty() {
        true => format!("<circle class=\"f{slot}\" cx=\"52\" cy=\"28\" r=\"17\"/>"),
        false => {
            let points: Vec<String> = corners
                .iter()
                .map(|(x, y)| format!("{:.0},{:.0}", 52.0 + x * 16.0, 28.0 + y * 16.0))
                .collect();
            format!("<polygon class=\"f{slot}\" points=\"{}\"/>", points.join(" "))
        }
    };
    format!(
        "<svg class=\"plot key\" viewBox=\"0 0 104 56\" aria-hidden=\"true\"><line class=\"s{slot}{dash}\" \
         x1=\"0\" y1=\"28\" x2=\"104\" y2=\"28\" stroke-width=\"8\"/>{shape}</svg>"
    )
}

/// Rules that leave one slot alone where the root of a page names it.
pub(super) fn spotlight() -> String {
    let drawn = "polyline,polygon,circle:not(.hot),line:not(.mesh)";
    (0..look::SLOTS)
        .map(|slot| {
            format!(
                "[data-only=\"{slot}\"] figure>.plot :is({drawn}):not(.s{slot},.f{slot},.mesh){{opacity:.1}}\
                 [data-only=\"{slot}\"] .legend li:not([data-slot=\"{slot}\"]){{opacity:.4}}"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::axis::Scale;
    use super::super::quantity::Unit;
    use super::*;

    fn plot() -> Plot {
        let dots = [(1.0, 5.0), (10.0, 50.0)].map(|(x, y)| Dot {
            x,
            y,
            spread: Some((y * 0.9, y * 1.1)),
            said: "a < b".into(),
        });
        let line = |name: &str, slot| Line {
            name: name.into(),
            slot,
            dots: dots.to_vec(),
            ..Line::default()
        };
        Plot {
            title: "this & that".into(),
            about: "both".into(),
            x: Axis::places("places", Scale::Log, &[1.0, 10.0], |x| x.to_string()),
            y: Axis::fit("height", Scale::Log, Unit::Count, [5.0, 50.0]),
            remark: "",
            lines: vec![line("first", 5), Line { dashed: true, ..line("second", 1) }],
        }
    }

    #[test]
    fn colours_are_classes() {
        let svg = plot().svg(Frame::Page);
        assert!(svg.contains("class=\"s5\"") && svg.contains("class=\"s1 dash\""));
        assert!(svg.contains("class=\"f5\"") && svg.contains("class=\"s5 whisker\""));
        assert!(!svg.contains("=\"#"), "no colour is left");
    }

    #[test]
    fn a_line_over_time_breaks_where_nothing_was_measured() {
        let dot = |x: f64| Dot { x, y: 1.0, spread: None, said: String::new() };
        let dots = [0.0, 1.0, 2.0, 9.0, 10.0].map(dot).to_vec();
        let line = Line { dots, dense: true, ..Line::default() };
        assert_eq!(pieces(&line), [0..3, 3..5]);
        assert_eq!(pieces(&Line { dense: false, ..line }), vec![0..5]);
        assert_eq!(pieces(&Line { dense: true, ..Line::default() }), vec![0..0]);
    }

    #[test]
    fn it_can_be_read_aloud() {
        let svg = plot().svg(Frame::Page);
        assert!(svg.contains("<title>this &amp; that</title>\n<desc>both</desc>"));
        assert!(svg.contains("<title>a &lt; b</title>"));
        for word in ["places", "height", "100"] {
            assert!(svg.contains(word), "{word}");
        }
    }

    #[test]
    fn alone_it_brings_its_style_and_its_legend() {
        let page = plot().svg(Frame::Page);
        let alone = plot().svg(Frame::Alone);
        assert!(!page.contains("<style>") && !page.contains("first"));
        assert!(alone.contains("prefers-color-scheme:dark") && alone.contains("first"));
    }

    #[test]
    fn nothing_to_draw_is_still_a_picture() {
        let empty = Plot { lines: vec![Line::default()], ..plot() };
        assert!(empty.is_empty());
        assert!(empty.svg(Frame::Alone).ends_with("</svg>\n"));
    }
}
