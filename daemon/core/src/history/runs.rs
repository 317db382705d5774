//! How often commands were run, for whoever compares an import with what is there.

use std::collections::HashMap;

use super::{History, Words};

impl History {
    /// How many runs there are of each of these commands, in the contexts that count. A command without any is left out.
    pub(crate) fn runs_of<'a>(
        &self,
        commands: impl Iterator<Item = &'a [u8]>,
        counts: impl Fn(&Words<'_>) -> bool,
    ) -> HashMap<&'a [u8], u32> {
        let numbers: Vec<(&[u8], u32)> =
            commands.filter_map(|command| Some((command, self.commands.find(command)?))).collect();
        if numbers.is_empty() {
            return HashMap::new();
        }
        let mut wanted = vec![false; self.commands.slots()];
        numbers.iter().for_each(|(_, number)| wanted[*number as usize] = true);
        // The contexts are few and the rows are many: each is asked for once.
        let mut contexts: HashMap<u32, bool> = HashMap::new();
        let mut runs = vec![0_u32; self.commands.slots()];
        for row in self.rows.live() {
            let Some(command) = self.rows.command(row).filter(|command| wanted[*command as usize]) else { continue };
            let context = self.rows.context(row);
            let is_counted = *contexts.entry(context).or_insert_with(|| counts(&self.contexts.words(context)));
            runs[command as usize] += u32::from(is_counted);
        }
        let counted = numbers.into_iter().map(|(command, number)| (command, runs[number as usize]));
        counted.filter(|(_, runs)| *runs > 0).collect()
    }

    /// Whether anything was ever deleted.
    pub(crate) fn has_deleted(&self) -> bool {
        self.tombstones.iter().chain(self.hidden.iter()).next().is_some()
    }
}
