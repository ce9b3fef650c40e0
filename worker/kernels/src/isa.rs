//! Which vector instructions to use: found out once, at run time, or forced by name.

use crate::table::{self, Kernels};

/// An instruction set that this processor has. A value is the proof: there is no way to make one for
/// instructions that would fault.
#[derive(Clone, Copy)]
pub struct Isa(&'static Kernels);

impl Isa {
    /// The fastest set of this processor.
    pub fn best() -> Self {
        Self::available()[0]
    }

    /// Every set that this processor has, fastest first; `portable` is always the last.
    pub fn available() -> Vec<Self> {
        table::supported().into_iter().map(Self).collect()
    }

    /// The set called `name` (`avx512`, `avx2`, `neon`, `portable`).
    pub fn named(name: &str) -> Result<Self, UnknownIsa> {
        let available = Self::available();
        available.iter().copied().find(|isa| isa.name() == name).ok_or_else(|| UnknownIsa {
            name: name.to_owned(),
            available: available.iter().map(|isa| isa.name()).collect(),
        })
    }

    /// Its name, as [`Isa::named`] takes it.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub(crate) fn kernels(self) -> &'static Kernels {
        self.0
    }
}

impl PartialEq for Isa {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Isa {}

impl std::fmt::Debug for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The asked-for instruction set is not one of this processor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownIsa {
    name: String,
    available: Vec<&'static str>,
}

impl std::fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "this processor has no instruction set `{}`; it has: {}", self.name, self.available.join(", "))
    }
}

impl std::error::Error for UnknownIsa {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_set_is_always_there_and_last() {
        assert_eq!(Isa::available().last().map(|isa| isa.name()), Some("portable"));
    }

    #[test]
    fn an_unknown_set_names_those_that_exist() {
        let message = Isa::named("mmx").unwrap_err().to_string();
        assert!(message.contains("`mmx`") && message.contains("portable"), "{message}");
    }
}
