//! The program `corpora`: lists the targets, writes their seeds for a fuzzer to begin with, and runs one input.

#![allow(clippy::print_stdout)] // printing is what it is for

use std::{fs, path::PathBuf};

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
        Command::Run { target, file } => {
            let target = chaos_decoders::target(&target).ok_or("no target has this name")?;
            (target.run)(&fs::read(file)?);
        }
    }
    Ok(())
}
