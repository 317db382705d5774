//! The program `corpora`: lists the targets, writes their seeds for a fuzzer to begin with, and runs one input.

#![allow(clippy::print_stdout)] // printing is what it is for

use std::{fs, path::PathBuf, time::Duration};

use chaos_decoders::mutate;
use clap::{Parser, Subcommand};

/// The fuzz targets without a fuzzer
#[derive(Parser)]
#[command(name = "corpora")]
struct Corpora {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the names
    List,
    /// Print the table of docs/fuzzing.md
    Page,
    /// Write each target's seeds into a folder of its name
    Seed {
        /// The folder
        folder: PathBuf,
    },
    /// Run seeds and the corpus changed at random, until one fails
    Mutate {
        /// The target
        target: String,
        /// Where an input goes that fails
        file: PathBuf,
        /// For how long
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// What the changes are drawn from
        #[arg(long, default_value_t = 1)]
        number: u64,
    },
    /// Run one input
    Run {
        /// The target
        target: String,
        /// The input
        file: PathBuf,
    },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Corpora::parse().command {
        Command::List => chaos_decoders::targets().for_each(|target| println!("{}", target.name)),
        Command::Page => print!("{}", chaos_decoders::page()),
        Command::Seed { folder } => {
            for target in chaos_decoders::targets() {
                let folder = folder.join(target.name);
                fs::create_dir_all(&folder)?;
                for (at, seed) in (target.seeds)().into_iter().enumerate() {
                    fs::write(folder.join(format!("seed-{at}")), seed)?;
                }
            }
        }
        Command::Mutate { target, file, seconds, number } => {
            let target = chaos_decoders::target(&target).ok_or("no target has this name")?;
            let inputs: Vec<Vec<u8>> = chaos_decoders::inputs(target)?.into_iter().map(|(_, input)| input).collect();
            let tried = mutate::tries(target, &inputs, number, Duration::from_secs(seconds));
            println!("{}: {} inputs, the slowest {:?}", target.name, tried.inputs, tried.longest);
            if let Some(input) = tried.failed {
                fs::write(&file, input)?;
                return Err(format!("{}: failed; the input is in {}", target.name, file.display()).into());
            }
        }
        Command::Run { target, file } => {
            let target = chaos_decoders::target(&target).ok_or("no target has this name")?;
            (target.run)(&fs::read(file)?);
        }
    }
    Ok(())
}
