//! Commands that differ in their numbers alone, which a shell makes by the thousand: what one of them could be worth bounds
//! all of them.
//!
//! A word without digits sits in a text no better than in its shape, where each number is one digit: the letters it can have
//! are the same, so is what stands before each, and no gap is shorter. So the shape is scored once, and of those that have it
//! only the ones that could come first by that.

use std::collections::HashMap;

use super::{fuzzy::Scorer, pattern::Pattern};
use crate::history::{Shape, fold_into, shape};

/// What is known of shapes. Made for one part of one search: it holds letters of commands.
pub(super) struct Alike<'a> {
    pattern: &'a Pattern,
    /// Whether a shape can say anything: not where numbers were asked for, nor where all that matches is worth the same.
    says_something: bool,
    known: HashMap<Shape, Known>,
    text: Vec<u8>,
    folded: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Known {
    /// A command has it. Most often it is the only one, and then its shape is not worth the work.
    Met,
    /// What a command of this shape can be worth.
    Worth(Bound),
}

/// What no command of a shape is better than.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    /// The greatest quality.
    pub(super) quality: u32,
    /// What such a command loses at least by its words.
    pub(super) loss: u32,
}

impl<'a> Alike<'a> {
    /// Nothing yet.
    pub(super) fn new(pattern: &'a Pattern) -> Self {
        let says_something = !pattern.asks_for_numbers() && pattern.quality_max() > 0;
        Self { pattern, says_something, known: HashMap::new(), text: Vec::new(), folded: Vec::new() }
    }

    /// What is known of a shape. None where it was not met twice, says nothing, or the text has no number.
    pub(super) fn bound(&self, shape: Option<Shape>) -> Option<Bound> {
        match self.known.get(&shape?)? {
            Known::Met => None,
            Known::Worth(bound) => Some(*bound),
        }
    }

    /// A command that matches has this shape.
    pub(super) fn meet(&mut self, shape_of: Option<Shape>, text: &[u8], scorer: &mut Scorer) {
        let Some(met) = shape_of.filter(|_| self.says_something) else { return };
        let Some(known) = self.known.get_mut(&met) else {
            self.known.insert(met, Known::Met);
            return;
        };
        if let Known::Met = known {
            self.text.clear();
            shape(text).for_each(|piece| self.text.extend_from_slice(piece));
            self.folded.clear();
            fold_into(&mut self.folded, &self.text);
            let quality = self.pattern.quality(&self.text, &self.folded, scorer);
            *known = Known::Worth(Bound { quality, loss: self.pattern.loss_of_words(quality, &self.folded) });
        }
    }
}

#[cfg(test)]
mod tests {
    use caro_schema::ipc::history::{Mode, Query};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        history::{History, Marks, model::record},
        search::pattern::{Candidate, asked},
    };

    fn shapes(texts: &[&str]) -> Vec<Option<Shape>> {
        let mut history = History::new();
        history.put((0u32..).zip(texts).map(|(n, text)| record(n, 0, text)));
        let commands = history.commands();
        let number = |text: &str| (0..commands.slots() as u32).find(|number| commands.text(*number) == text.as_bytes());
        texts.iter().map(|text| commands.shape(number(text).unwrap())).collect()
    }

    #[test]
    fn texts_that_differ_in_their_numbers_alone_have_one_shape() {
        let alike = shapes(&["tail x-1.log", "tail x-22.log", "tail x-0.log"]);
        assert!(alike[0].is_some() && alike.iter().all(|shape| *shape == alike[0]));
        let different = shapes(&["tail x-1.log", "tail x1.log", "tail x-1.log 2", "tail x-1", "2"]);
        assert_eq!(different.iter().flatten().collect::<std::collections::BTreeSet<_>>().len(), different.len());
        assert_eq!(shapes(&["tail x.log", ""]), [None, None]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn none_is_worth_more_than_its_shape(
            typed in "([!'^]{0,2}[abAé0/-]{0,4}\\$?( \\| | ){0,1}){1,3}",
            (one, text) in ("[abABé0/ -]{0,16}", "[0-9]{1,3}").prop_map(|(shape, number)| {
                (shape.clone(), shape.replace('0', &number))
            }),
            mode in prop::sample::select(&[Mode::Fuzzy, Mode::Substring, Mode::Prefix][..]),
        ) {
            let query = Query { text: typed, mode, ..Query::default() };
            let pattern = Pattern::new(&query, &asked(&query).expect("short")).expect("no expression");
            let shapes = shapes(&[&one, &text]);
            let mut folded = Vec::new();
            fold_into(&mut folded, text.as_bytes());
            let candidate = Candidate { marks: Marks::of(&folded), text: text.as_bytes(), folded: &folded };
            if pattern.left_after(None).are_in(&[candidate], None) == 1 {
                let (mut alike, mut scorer) = (Alike::new(&pattern), Scorer::new());
                (0..2).for_each(|_| alike.meet(shapes[0], one.as_bytes(), &mut scorer));
                if let Some(bound) = alike.bound(shapes[1]) {
                    let quality = pattern.quality(text.as_bytes(), &folded, &mut scorer);
                    prop_assert!(quality <= bound.quality && pattern.loss_of_words(quality, &folded) >= bound.loss);
                }
            }
        }
    }
}
