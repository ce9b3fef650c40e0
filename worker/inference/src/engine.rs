//! What computes a graph: tract alone, or our kernels wherever they can.

use kernels::Isa;

use crate::error::Problem;

/// The environment variable that forces an engine: `tract`, or the name of an instruction set.
const VARIABLE: &str = "PIXELMILL_ISA";

/// What computes a graph. Scores agree to 1e-4 whatever is chosen; speed does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// tract's own operators only.
    Tract,
    /// Runs of operators that the `kernels` crate knows are computed by it, with this instruction set.
    Kernels(Isa),
}

impl Engine {
    /// What `PIXELMILL_ISA` says; without it, the kernels with the fastest instructions of this processor.
    pub fn chosen() -> Result<Self, Problem> {
        match std::env::var(VARIABLE) {
            Ok(name) if !name.is_empty() => Self::named(&name),
            _ => Ok(Self::Kernels(Isa::best())),
        }
    }

    /// `tract`, or a name that [`Isa::named`] takes.
    pub fn named(name: &str) -> Result<Self, Problem> {
        if name == "tract" {
            return Ok(Self::Tract);
        }
        Isa::named(name).map(Self::Kernels).map_err(|error| Problem::Engine(error.to_string()))
    }

    /// Every engine of this machine, tract first.
    pub fn available() -> Vec<Self> {
        std::iter::once(Self::Tract).chain(Isa::available().into_iter().map(Self::Kernels)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_have_names() {
        assert_eq!(Engine::named("tract").unwrap(), Engine::Tract);
        assert_eq!(Engine::named("portable").unwrap(), Engine::Kernels(Isa::named("portable").unwrap()));
        let message = Engine::named("sse9").unwrap_err().to_string();
        assert!(message.contains(VARIABLE) && message.contains("sse9") && message.contains("portable"), "{message}");
    }
}
