//! The program `hostile-relay`: honest until Enter is pressed, then as its argument says, and honest again at the next one.

#![allow(clippy::print_stdout)] // printing is what it is for

use std::{
    io::{BufRead, stdin},
    net::SocketAddr,
};

use chaos_tests::hostile::{ALL, Hostile, Repair, behaviour, page};
use clap::Parser;

/// A relay that lies, for trying what a device makes of it
#[derive(Parser)]
#[command(name = "hostile-relay")]
struct Arguments {
    /// How it behaves once Enter is pressed
    behaviour: Option<String>,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Print the behaviours and end
    #[arg(long)]
    list: bool,
    /// Print the table of docs/hostile-relay.md and end
    #[arg(long)]
    page: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    if arguments.page {
        print!("{}", page());
        return Ok(());
    }
    let name = match arguments.behaviour {
        Some(name) if !arguments.list => name,
        _ => {
            ALL.iter().for_each(|behaviour| println!("{:<22} {}", behaviour.name, behaviour.what));
            return Ok(());
        }
    };
    let behaviour = behaviour(&name).ok_or("no behaviour has this name; see --list")?;
    let relay = Hostile::start_on(arguments.listen)?;
    println!("honest so far: caro sync init --relay {}", relay.address());
    let mut lines = stdin().lock().lines();
    println!("Enter: {}", behaviour.what);
    while let Some(_line) = lines.next().transpose()? {
        relay.behave(behaviour);
        println!("hostile; expected: {}. Enter: honest again", behaviour.outcome.in_words());
        if lines.next().transpose()?.is_none() {
            return Ok(());
        }
        relay.reform();
        if behaviour.repair == Repair::Renew {
            relay.renew();
        }
        println!("honest again. Enter: once more");
    }
    Ok(())
}
