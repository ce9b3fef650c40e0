//! `worker classify` as a person or a script uses it: the real binary on real files.

mod hostile;
mod readers;
mod refused;
mod restart;
mod run;
mod shelf;
mod usage;
