//! Failure scenarios. The production core and the production relay run here with virtual time, a simulated network and
//! disk, and one seed; a failure prints the line that repeats it.
//!
//! [`catalogue`] lists every [`scenario::Scenario`]: id, words, tiers, sabotage and body are one item. [`world`] breaks
//! things, [`oracle`] says what must be true whatever was broken; every scenario ends with all oracles. Under its
//! sabotage a scenario must fail, or it proves nothing.

mod believing;
pub mod catalogue;
pub mod clock;
pub mod disk;
pub mod fuzzing;
pub mod hostile;
pub mod machine;
pub mod net;
pub mod netlab;
pub mod oracle;
pub mod pipe;
pub mod programs;
pub mod proxy;
pub mod relay;
pub mod report;
pub mod sabotage;
pub mod scenario;
pub mod scenarios;
pub mod seed;
pub mod shelf;
pub mod whole;
pub mod world;
