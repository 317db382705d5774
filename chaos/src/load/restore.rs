//! Devices that pull a whole account at once: cells served a second.

use caro_schema::limits::PAGE_CELLS_MAX;
use chaos_tests::seed::Seed;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    crowd,
    figures::Figures,
    relay::Loaded,
    session::{Clock, Lost, Session},
};

/// Bytes of one push at most, so that it fits into one message.
const PUSH_BYTES: usize = 512 * 1024;

pub(crate) async fn run(
    relay: &Loaded,
    figures: &mut Figures,
    cells: u64,
    devices: usize,
    bytes: usize,
) -> Result<(), Lost> {
    let members = crowd::members(1, devices + 1);
    let (mut writers, _) = crowd::found(relay.place(), &members).await?;
    let writer = writers.first_mut().ok_or(Lost::Gone)?;
    let begun = Instant::now();
    fill(writer, cells, bytes).await?;
    figures.one("cells", "", cells as f64);
    figures.one("pushed in batches, a second", "", cells as f64 / begun.elapsed().as_secs_f64());
    let (readers, _) = crowd::enter(relay.place(), &members, devices + 1).await?;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for mut session in readers {
        tasks.spawn(async move { session.pull_all().await });
    }
    while let Some(ended) = tasks.join_next().await {
        let found = ended.map_err(|error| Lost::Told(error.to_string()))??;
        if found != cells {
            return Err(Lost::Told(format!("{found} of {cells} cells came")));
        }
    }
    let served = cells * devices as u64;
    let seconds = begun.elapsed().as_secs_f64();
    figures.one("devices", "", devices as f64);
    figures.one("all of them had everything after", "s", seconds);
    figures.one("cells served a second", "", served as f64 / seconds);
    figures.one("  in bytes", "MB/s", served as f64 * bytes as f64 / 1e6 / seconds);
    if let Some(stored) = relay.stored_bytes() {
        figures.one("a million cells on the disk", "MB", stored as f64 / cells as f64);
    }
    Ok(())
}

/// Pushes so many cells in batches.
pub(crate) async fn fill(session: &mut Session, cells: u64, bytes: usize) -> Result<(), Lost> {
    let (clock, mut seed) = (Clock::start(), Seed::new(cells));
    let batch = (PUSH_BYTES / bytes).clamp(1, PAGE_CELLS_MAX) as u64;
    let mut left = cells;
    while left > 0 {
        let count = left.min(batch);
        session.push((0..count).map(|_| clock.cell(bytes, &mut seed)).collect()).await?;
        left -= count;
    }
    Ok(())
}
