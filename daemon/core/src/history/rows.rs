//! Records as columns of small integers. Knows the numbers of texts, never the texts.
//!
//! A row has the same number from its first to its last day; the number of a deleted one is used again. Columns that a
//! search reads lie apart from those that only an answer needs, so that looking through a million rows touches little.

use std::{collections::BTreeMap, ops::Range};

use caro_schema::{body::history::Assistant, id::RecordId};
use zeroize::Zeroize;

use super::{
    grow,
    index::{self, Index},
};
use crate::step::BlockNumber;

/// No row.
pub(crate) const NO_ROW: u32 = u32::MAX;

/// A free row's command.
const NO_COMMAND: u32 = u32::MAX;

/// Records by row.
#[derive(Default)]
pub(crate) struct Rows {
    ids: Vec<RecordId>,
    starts: Vec<i64>,
    commands: Vec<u32>,
    directories: Vec<u32>,
    contexts: Vec<u32>,
    exits: Vec<i32>,
    durations: Vec<u64>,
    flags: Vec<u8>,
    blocks: Vec<BlockNumber>,
    /// For each 64 rows.
    spans: Vec<Span>,
    assistants: BTreeMap<u32, Box<Assistant>>,
    index: Index,
    free: Vec<u32>,
}

/// Between when and when some rows started, and between which contexts. It may be wider than they are, never narrower: records
/// lie about as they came, so whoever looks for a time or a session passes over most rows without a look at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) earliest: i64,
    pub(crate) latest: i64,
    /// The least and the greatest number of a context.
    pub(crate) contexts: (u32, u32),
}

/// One record, by the numbers of its texts.
pub(super) struct Row {
    pub(super) id: RecordId,
    pub(super) start_us: i64,
    pub(super) command: u32,
    pub(super) directory: u32,
    pub(super) context: u32,
    pub(super) exit: Option<i32>,
    pub(super) duration_us: Option<u64>,
    pub(super) assistant: Option<Box<Assistant>>,
    pub(super) block: BlockNumber,
}

/// The numbers of one row, for who looks through all of them.
pub(crate) struct Numbers {
    /// Of its command; one that no command has when the row is free, and then the others mean nothing.
    pub(crate) command: u32,
    /// Of its directory.
    pub(crate) directory: u32,
    /// Of its context.
    pub(crate) context: u32,
}

const HAS_EXIT: u8 = 1;
const HAS_DURATION: u8 = 2;
const HAS_ASSISTANT: u8 = 4;

impl Rows {
    /// Adds a row whose id is not there.
    pub(super) fn insert(&mut self, row: Row) -> u32 {
        let (id, number) = (row.id, self.free.pop().unwrap_or(self.ids.len() as u32));
        if number as usize == self.ids.len() {
            grow::push(&mut self.ids, id);
            grow::push(&mut self.starts, 0);
            grow::push(&mut self.commands, NO_COMMAND);
            grow::push(&mut self.directories, 0);
            grow::push(&mut self.contexts, 0);
            grow::push(&mut self.exits, 0);
            grow::push(&mut self.durations, 0);
            grow::push(&mut self.flags, 0);
            grow::push(&mut self.blocks, 0);
        }
        self.set(number, row);
        let Self { ids, index, .. } = self;
        index.insert(index::hash(&id), number, |other| index::hash(&ids[other as usize]));
        number
    }

    /// Replaces what is in a row, except for its id.
    pub(super) fn set(&mut self, number: u32, row: Row) {
        let at = number as usize;
        let flag = |has: bool, flag: u8| if has { flag } else { 0 };
        self.ids[at] = row.id;
        self.starts[at] = row.start_us;
        self.widen(at / 64, row.start_us, row.context);
        self.commands[at] = row.command;
        self.directories[at] = row.directory;
        self.contexts[at] = row.context;
        self.exits[at] = row.exit.unwrap_or_default();
        self.durations[at] = row.duration_us.unwrap_or_default();
        self.flags[at] = flag(row.exit.is_some(), HAS_EXIT)
            | flag(row.duration_us.is_some(), HAS_DURATION)
            | flag(row.assistant.is_some(), HAS_ASSISTANT);
        self.blocks[at] = row.block;
        self.forget_assistant(number);
        if let Some(assistant) = row.assistant {
            self.assistants.insert(number, assistant);
        }
    }

    fn widen(&mut self, word: usize, start_us: i64, context: u32) {
        match self.spans.get_mut(word) {
            Some(Span { earliest, latest, contexts: (least, greatest) }) => {
                *earliest = start_us.min(*earliest);
                *latest = start_us.max(*latest);
                *least = context.min(*least);
                *greatest = context.max(*greatest);
            }
            None => {
                let span = Span { earliest: start_us, latest: start_us, contexts: (context, context) };
                grow::push(&mut self.spans, span);
            }
        }
    }

    /// Frees a row.
    pub(super) fn remove(&mut self, number: u32) {
        let Self { ids, index, .. } = self;
        index.remove(index::hash(&ids[number as usize]), number, |other| index::hash(&ids[other as usize]));
        self.commands[number as usize] = NO_COMMAND;
        self.flags[number as usize] = 0;
        self.forget_assistant(number);
        self.free.push(number);
    }

    fn forget_assistant(&mut self, number: u32) {
        if let Some(mut assistant) = self.assistants.remove(&number) {
            let Assistant { prompt, explanation, model, safety, tags, author, rule } = &mut *assistant;
            prompt.zeroize();
            explanation.zeroize();
            model.zeroize();
            safety.zeroize();
            tags.zeroize();
            author.zeroize();
            rule.zeroize();
        }
    }

    pub(super) fn set_block(&mut self, number: u32, block: BlockNumber) {
        self.blocks[number as usize] = block;
    }

    /// The row of a record.
    pub(crate) fn find(&self, id: &RecordId) -> Option<u32> {
        self.index.find(index::hash(id), |number| self.ids[number as usize] == *id)
    }

    /// Every row is below this. Some may be free.
    pub(crate) fn slots(&self) -> usize {
        self.ids.len()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ids.len() - self.free.len()
    }

    /// The rows that are not free.
    pub(crate) fn live(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.slots() as u32).filter(|row| self.command(*row).is_some())
    }

    /// The numbers of some rows, in order.
    pub(crate) fn numbers(&self, part: Range<usize>) -> impl Iterator<Item = Numbers> {
        let Self { commands, directories, contexts, .. } = self;
        let columns = commands[part.clone()].iter().zip(&directories[part.clone()]).zip(&contexts[part]);
        columns.map(|((command, directory), context)| Numbers {
            command: *command,
            directory: *directory,
            context: *context,
        })
    }

    /// A bit for each of 64 rows, from 64 times `word` on, in a context for which `is` holds. Free rows are among them.
    pub(crate) fn bits_by_context(&self, word: usize, is: impl Fn(u32) -> bool) -> u64 {
        bits(&self.contexts, word, is)
    }

    /// A bit for each of 64 rows, from 64 times `word` on, that has a command for which `is` holds. `is` is also asked for
    /// numbers that no command has: a branch for each row would cost more than an answer that is not needed.
    pub(crate) fn bits_by_command(&self, word: usize, is: impl Fn(u32) -> bool) -> u64 {
        bits(&self.commands, word, |command| (command != NO_COMMAND) & is(command))
    }

    /// A bit for each of 64 rows, from 64 times `word` on, that has this command.
    pub(crate) fn bits_of_command(&self, word: usize, command: u32) -> u64 {
        bits_of(&self.commands[word * 64..self.commands.len().min(word * 64 + 64)], |other| other == command)
    }

    /// When 64 rows started, from 64 times `word` on.
    pub(crate) fn span(&self, word: usize) -> Span {
        self.spans[word]
    }

    /// A bit for each of 64 rows, from 64 times `word` on, with a time for which `is` holds.
    pub(crate) fn bits_by_start(&self, word: usize, is: impl Fn(i64) -> bool) -> u64 {
        bits(&self.starts, word, is)
    }

    /// The number of its command; none when the row is free.
    pub(crate) fn command(&self, row: u32) -> Option<u32> {
        let command = self.commands[row as usize];
        (command != NO_COMMAND).then_some(command)
    }

    /// The number of its directory.
    pub(crate) fn directory(&self, row: u32) -> u32 {
        self.directories[row as usize]
    }

    /// The number of its context.
    pub(crate) fn context(&self, row: u32) -> u32 {
        self.contexts[row as usize]
    }

    /// Which record it is.
    pub(crate) fn id(&self, row: u32) -> RecordId {
        self.ids[row as usize]
    }

    /// When it started.
    pub(crate) fn start_us(&self, row: u32) -> i64 {
        self.starts[row as usize]
    }

    /// Rows in the order of time; those of one moment by id.
    pub(crate) fn compare(&self, one: u32, other: u32) -> std::cmp::Ordering {
        let starts = self.start_us(one).cmp(&self.start_us(other));
        starts.then_with(|| self.ids[one as usize].cmp(&self.ids[other as usize]))
    }

    /// How it ended, if that is known.
    pub(crate) fn exit(&self, row: u32) -> Option<i32> {
        (self.flags[row as usize] & HAS_EXIT != 0).then(|| self.exits[row as usize])
    }

    /// How long it took, if that is known.
    pub(crate) fn duration_us(&self, row: u32) -> Option<u64> {
        (self.flags[row as usize] & HAS_DURATION != 0).then(|| self.durations[row as usize])
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self, row: u32) -> bool {
        self.flags[row as usize] & (HAS_EXIT | HAS_DURATION) != 0
    }

    /// Whether an assistant made it.
    pub(crate) fn has_assistant(&self, row: u32) -> bool {
        self.flags[row as usize] & HAS_ASSISTANT != 0
    }

    /// What an assistant said of it.
    pub(crate) fn assistant(&self, row: u32) -> Option<&Assistant> {
        if self.has_assistant(row) { self.assistants.get(&row).map(|assistant| &**assistant) } else { None }
    }

    /// Which block it is in.
    pub(super) fn block(&self, row: u32) -> BlockNumber {
        self.blocks[row as usize]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let words = |capacity: usize| capacity * size_of::<u32>();
        let columns = self.ids.capacity() * size_of::<RecordId>()
            + (self.starts.capacity() + self.durations.capacity() + self.blocks.capacity()) * size_of::<u64>()
            + words(self.commands.capacity() + self.directories.capacity() + self.contexts.capacity())
            + words(self.exits.capacity() + self.free.capacity())
            + self.spans.capacity() * size_of::<Span>()
            + self.flags.capacity();
        let said = |a: &Assistant| {
            let tags: usize = a.tags.iter().map(|tag| tag.capacity() + size_of::<String>()).sum();
            let names = [&a.prompt, &a.explanation, &a.model, &a.safety, &a.author].into_iter().chain(&a.rule);
            names.map(String::capacity).sum::<usize>() + tags
        };
        let assistants: usize =
            self.assistants.values().map(|a| said(a) + size_of::<Assistant>() + 2 * size_of::<u64>()).sum();
        columns + assistants + self.index.memory_bytes()
    }
}

/// Where looking a value up takes longer than all else.
fn bits<T: Copy>(column: &[T], word: usize, is: impl Fn(T) -> bool) -> u64 {
    let values = &column[word * 64..column.len().min(word * 64 + 64)];
    values.iter().enumerate().fold(0, |bits, (at, value)| bits | u64::from(is(*value)) << at)
}

/// A bit for each of at most 64 values for which `is` holds, where that is a mere comparison. First a byte for each, because processors compare many values
/// at once but cannot put bits together so.
pub(super) fn bits_of<T: Copy>(values: &[T], is: impl Fn(T) -> bool) -> u64 {
    let mut each = [0u8; 64];
    each.iter_mut().zip(values).for_each(|(each, value)| *each = u8::from(is(*value)));
    let (eights, _) = each.as_chunks::<8>();
    // Brings the lowest bits of eight bytes together in one.
    let packed = eights.iter().map(|eight| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56);
    packed.rev().fold(0, |bits, eight| bits << 8 | eight)
}
