//! How a model looks in every picture: one colour and one shape, the same everywhere.
//!
//! The colours keep apart for eyes that see fewer of them, and in grey by their shapes. A place
//! (`slot`) stands for a colour and a shape; the style sheet holds the colours, light and dark.

/// The models that always look the same, in any comparison: their number here is their slot.
const FIXED: [&str; 8] = ["blocking", "threads", "pool", "spin", "level", "loop", "loops", "go"];

/// Slots that there are.
pub(super) const SLOTS: usize = 12;

/// Colours by slot: on a light ground, and on a dark one.
pub(super) const COLOURS: [(&str, &str); SLOTS] = [
    ("#7a7a7a", "#a3a3a3"),
    ("#d55e00", "#ff8a3d"),
    ("#b98700", "#f2c14e"),
    ("#b5478c", "#ea8cc4"),
    ("#2f9fd8", "#8ad4ff"),
    ("#0b4fa0", "#5b9bff"),
    ("#007f5f", "#3fd3a5"),
    ("#6b3fa0", "#bd9bf0"),
    ("#8a2b2b", "#ff9c9c"),
    ("#4d6b12", "#b7d968"),
    ("#2b5d66", "#8fd0da"),
    ("#5c4033", "#d3b09b"),
];

/// The slots of models in the order given. `pool=4` looks as `pool` does; a second kind of pool
/// takes a slot that nobody has.
pub(super) fn slots<'m>(models: impl IntoIterator<Item = &'m str>) -> Vec<(String, usize)> {
    let mut taken: Vec<(String, usize)> = Vec::new();
    let names: Vec<&str> = models.into_iter().collect();
    let mut waiting = Vec::new();
    for name in names {
        let family = name.split('=').next().unwrap_or(name);
        let fixed = FIXED.iter().position(|known| *known == family);
        match fixed.filter(|slot| taken.iter().all(|(_, other)| other != slot)) {
            Some(slot) => taken.push((name.into(), slot)),
            None => waiting.push(name),
        }
    }
    for (turn, name) in waiting.into_iter().enumerate() {
        // The ones that no known model has come first; then any.
        let free = (FIXED.len()..SLOTS)
            .chain(0..FIXED.len())
            .find(|slot| taken.iter().all(|(_, other)| other != slot));
        taken.push((name.into(), free.unwrap_or(turn % SLOTS)));
    }
    taken
}

/// The corners of a slot's shape about a middle of (0, 0), of size 1; none for a circle.
pub(super) fn shape(slot: usize) -> &'static [(f64, f64)] {
    match slot % 8 {
        1 => &[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
        2 => &[(0.0, -1.15), (1.1, 0.85), (-1.1, 0.85)],
        3 => &[
            (-0.35, -1.1),
            (0.35, -1.1),
            (0.35, -0.35),
            (1.1, -0.35),
            (1.1, 0.35),
            (0.35, 0.35),
            (0.35, 1.1),
            (-0.35, 1.1),
            (-0.35, 0.35),
            (-1.1, 0.35),
            (-1.1, -0.35),
            (-0.35, -0.35),
        ],
        4 => &[(0.0, 1.15), (1.1, -0.85), (-1.1, -0.85)],
        6 => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
        7 => &[(0.0, -1.15), (1.1, -0.35), (0.7, 0.95), (-0.7, 0.95), (-1.1, -0.35)],
        0 => &[(-1.1, -0.4), (1.1, -0.4), (1.1, 0.4), (-1.1, 0.4)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_looks_the_same_in_any_company() {
        let some = slots(["loop", "threads"]);
        let all =
            slots(["blocking", "threads", "pool=4", "spin", "level", "loop", "loops=2", "go"]);
        for (name, slot) in some {
            assert!(all.contains(&(name, slot)));
        }
        assert_eq!(all.iter().map(|(_, slot)| *slot).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn no_two_look_alike_while_there_are_slots() {
        let names: Vec<String> = (1..=SLOTS).map(|n| format!("pool={n}")).collect();
        let mut seen: Vec<usize> =
            slots(names.iter().map(String::as_str)).into_iter().map(|(_, slot)| slot).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), SLOTS);
        assert_eq!(slots((0..40).map(|_| "unknown")).len(), 40);
    }
}
