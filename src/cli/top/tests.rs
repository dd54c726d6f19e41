//! Pictures, compared with what they must show.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::feed::News;
use super::look::Look;
use super::sample::Sample;
use super::screen::Screen;
use super::trouble::Trouble;
use super::{draw, tell};

/// A loop that has seen something of everything.
fn sample(seconds: u64) -> Sample {
    let (ms, now) = (1_000_000, seconds * 1_000_000_000);
    let part =
        format!(r#"{{"token":"3.1","call":"data","began":{},"took":203000000}}"#, now - 400 * ms);
    let text = format!(
        r##"{{"now":{now},"uptime":{now},"version":"0.1.0","on":true,"live":2,"total":99,
        "limits":{{"stall":20000000}},
        "counters":{{"turns":{turns},"responses":[0,0,{requests},0,5,0]}},
        "descriptors":{{"used":95,"limit":100,"paused":true}},
        "spreads":{{"busy":[0,0,0,0,0,0,0,0,0,0,0,0,{turns}],"lag":[0,9],"ready":[5,90,7]}},
        "turns":[{{"began":{a},"at":{b},"until":null,"ready":1,"busy":5000,"parts":[]}},
                 {{"began":{b},"at":{c},"until":null,"ready":2,"busy":203000000,"parts":[{part}]}}],
        "connections":[
          {{"token":"0.0","kind":"listener","paused":true,"reads":2}},
          {{"token":"3.1","kind":"accepted","peer":"127.0.0.1:5000","life":"open","stage":"reply",
            "label":"GET /sleep","in":2048,"out":70000,"requests":7,"calls":9,"busy":203000000,
            "longest":203000000,"unsent":3000000,"full":true,"stalls":1,"age":9000000000,"idle":400}},
          {{"token":"4.0","kind":"accepted","peer":"127.0.0.1:5001","life":"open","stage":"idle",
            "label":"GET /_loop/events","requests":1,"me":true}}],
        "shown":3,"open":10000,
        "stalls":[{{"token":"3.1","call":"data","label":"GET /sleep","began":{d},"took":203000000,
            "computing":1000000}}],
        "stalled":1,
        "findings":[{{"kind":"slow-reader","token":"3.1","at":5,"text":"#3.1 takes nothing"}}]}}"##,
        turns = seconds * 100,
        requests = seconds * 1000,
        a = now - 900 * ms,
        b = now - 800 * ms,
        c = now - 400 * ms,
        d = now - 400 * ms,
    );
    Sample::parse(&text).expect("a sample")
}

fn watched() -> Screen {
    let mut screen = Screen::default();
    screen.show(sample(100));
    screen.show(sample(101));
    screen
}

/// What a terminal of this size shows, and whether anything in it has a colour.
fn picture(screen: &Screen, width: u16, height: u16, look: Look) -> (Vec<String>, bool) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal
        .draw(|frame| draw::screen(frame, screen, "http://127.0.0.1:8080", look))
        .expect("a picture");
    let buffer = terminal.backend().buffer();
    let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    let lines = (0..height).map(|y| line(y).trim_end().to_owned()).collect();
    let is_coloured = buffer.content().iter().any(|cell| cell.fg != Color::Reset);
    (lines, is_coloured)
}

const COLOURS: Look = Look { colours: true };

#[track_caller]
fn shows(lines: &[String], wanted: &str) {
    assert!(lines.iter().any(|line| line.contains(wanted)), "{wanted:?} in\n{}", lines.join("\n"));
}

#[test]
fn a_picture_shows_the_loop_its_troubles_and_its_connections() {
    let (lines, is_coloured) = picture(&watched(), 120, 30, COLOURS);
    for wanted in [
        "readyloop 0.1.0  http://127.0.0.1:8080  up 1m41s  2 connections",
        "requests/s 1.0k  turns/s 100  busy",
        "stalls 1  descriptors 95/100  accepting stands still",
        "turn p50 ≤4.1 µs p99 ≤4.1 µs",
        "1µs       1ms       1s",
        "slow-reader #3.1 takes nothing",
        "stall #3.1 GET /sleep held the loop for 203 ms, 197 ms ago, in data, parked",
        "3.1      127.0.0.1:5000        reply full    GET /sleep",
        "this view",
        "listener paus",
        "3 of 10000 sockets: a sample of them",
        "q end",
    ] {
        shows(&lines, wanted);
    }
    let worked = lines.iter().find(|line| line.starts_with("worked")).expect("the turns");
    assert_eq!(worked.chars().skip(7).filter(|cell| *cell == '█').count(), 2);
    assert!(is_coloured);
}

#[test]
fn without_colours_it_says_the_same() {
    let (lines, is_coloured) = picture(&watched(), 120, 30, Look { colours: false });
    assert!(!is_coloured);
    let worked = lines.iter().find(|line| line.starts_with("worked")).expect("the turns");
    assert!(worked.contains('!'), "{worked}");
    assert_eq!(Look::of(None), COLOURS);
    assert_eq!(Look::of(Some("".as_ref())), COLOURS);
    assert_eq!(Look::of(Some("1".as_ref())), Look { colours: false });
}

#[test]
fn every_size_has_a_picture() {
    let mut screen = watched();
    for (width, height) in
        [1, 2, 9, 39, 80, 131].into_iter().flat_map(|w| (1..40).step_by(3).map(move |h| (w, h)))
    {
        picture(&screen, width, height, COLOURS);
    }
    let (lines, _) = picture(&screen, 40, 8, COLOURS);
    shows(&lines, "token");
    screen.shows_help = true;
    picture(&screen, 10, 3, COLOURS);
    let (lines, _) = picture(&screen, 100, 30, COLOURS);
    shows(&lines, "follow it: its calls");
}

#[test]
fn one_connection_is_followed_until_it_is_gone() {
    let mut screen = watched();
    screen.press(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    screen.show(sample(102));
    let (lines, _) = picture(&screen, 100, 30, COLOURS);
    shows(&lines, "#3.1 accepted 127.0.0.1:5000");
    shows(&lines, "7 requests, 9 calls, busy 203 ms in all");
    shows(&lines, "400 ms ago  data       took 203 ms");
    screen.show(Sample { connections: Vec::new(), ..sample(103) });
    let (lines, _) = picture(&screen, 100, 30, COLOURS);
    shows(&lines, "#3.1 is gone");
}

#[test]
fn what_is_wrong_is_said_at_the_top() {
    let mut screen = Screen::default();
    screen.hear(News::Lost(Trouble::Ended, Duration::from_secs(5)));
    let (lines, _) = picture(&screen, 120, 20, COLOURS);
    shows(&lines[..1], "it closed the connection; again in 5000 ms");
    screen.hear(News::Sample(Box::default()));
    let (lines, _) = picture(&screen, 120, 20, COLOURS);
    shows(&lines[..1], "it does not record");
}

#[test]
fn a_peer_cannot_command_the_terminal() {
    let mut screen = watched();
    let mut hostile = sample(102);
    for row in &mut hostile.connections {
        row.label = "GET /\x1b]0;owned\x07".into();
    }
    hostile.stalls[0].label = "GET /\x1b[2J".into();
    let text = tell::text(hostile.clone(), "here");
    assert!(!text.contains('\x1b') && text.contains("GET /·[2J"), "{text}");
    screen.show(hostile);
    let (lines, _) = picture(&screen, 120, 30, COLOURS);
    assert!(!lines.concat().contains(['\x1b', '\x07']));
}

#[test]
fn one_look_is_told_in_words() {
    let text = tell::text(sample(100), "http://127.0.0.1:8080");
    for wanted in [
        "readyloop 0.1.0  http://127.0.0.1:8080  up 1m40s\n",
        "connections  2\n",
        "requests     100005, 1.0k/s since the start\n",
        "descriptors  95/100, accepting stands still\n",
        "slow-reader: #3.1 takes nothing\n",
        "in data, parked: it computed for 1.0 ms of it\n",
        "3.1       reply full         2.0K      68K        7   203 ms   203 ms     2.9M   400 ns  GET /sleep\n",
        "3 of 10000 sockets\n",
    ] {
        assert!(text.contains(wanted), "{wanted:?} in\n{text}");
    }
    let silent = tell::text(Sample::default(), "here");
    assert!(silent.contains("it does not record"), "{silent}");
}
