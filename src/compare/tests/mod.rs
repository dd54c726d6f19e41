//! A whole comparison from made-up figures, through everything that shows it.

mod made_up;

pub(super) use made_up::{make_up, point};

use crate::compare::report;

/// Everything at once: it is drawn, it is whole, and nothing in it is a number that is none.
#[test]
fn a_comparison_becomes_a_page() {
    let results = make_up();
    let page = report::render(&results);
    for section in ["verdict", "machine", "models", "throughput", "knee", "curves", "stall"] {
        assert!(page.contains(&format!("<section id=\"{section}\">")), "{section}");
    }
    for nonsense in ["NaN", "inf ", "None", "Some("] {
        assert!(!page.contains(nonsense), "{nonsense}");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    // To be looked at: LOOK=page.html cargo test a_comparison_becomes_a_page
    if let Some(path) = std::env::var_os("LOOK") {
        std::fs::write(&path, page).expect("the page can be written");
        for (name, svg) in report::pictures(&results) {
            let path = std::path::Path::new(&path).with_file_name(format!("{name}.svg"));
            std::fs::write(path, svg).expect("a picture can be written");
        }
    }
}
