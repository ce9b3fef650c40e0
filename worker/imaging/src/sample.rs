//! What a channel of a pixel is stored as.

use std::cell::RefCell;
use std::fmt::Debug;
use std::thread::LocalKey;

use crate::buffers::Spare;

/// A value from 0 to 255: a byte, as usual decoders have it, or with bits after the point. Rounding to bytes is most of
/// what a reduced image differs by from the full one, so reduced images keep fractions until they are resized.
pub(crate) trait Sample: Copy + Debug + Default + PartialEq + 'static {
    /// Bits after the point.
    const FRACTION: u32;
    /// 255, in steps of this type.
    const WHITE: i32 = 255 << Self::FRACTION;

    /// The nearest sample to so many steps.
    fn clamped(steps: i32) -> Self;
    /// In steps.
    fn steps(self) -> i32;
    /// Of at most 255, in steps.
    fn of(steps: u16) -> Self;
    /// The buffers that the thread keeps for samples of this type.
    fn spare() -> &'static LocalKey<RefCell<Spare<Self>>>;
}

impl Sample for u8 {
    const FRACTION: u32 = 0;

    #[inline(always)]
    fn clamped(steps: i32) -> Self {
        steps.clamp(0, Self::WHITE) as u8
    }

    #[inline(always)]
    fn steps(self) -> i32 {
        self.into()
    }

    #[inline(always)]
    fn of(steps: u16) -> Self {
        steps as u8
    }

    fn spare() -> &'static LocalKey<RefCell<Spare<Self>>> {
        thread_local! { static SPARE: RefCell<Spare<u8>> = const { RefCell::new(Vec::new()) } }
        &SPARE
    }
}

/// A sample of a reduced image. Sixteen samples' sum fits into it.
pub(crate) type Fine = u16;

impl Sample for Fine {
    const FRACTION: u32 = 4;

    #[inline(always)]
    fn clamped(steps: i32) -> Self {
        steps.clamp(0, Self::WHITE) as u16
    }

    #[inline(always)]
    fn steps(self) -> i32 {
        self.into()
    }

    #[inline(always)]
    fn of(steps: u16) -> Self {
        steps
    }

    fn spare() -> &'static LocalKey<RefCell<Spare<Self>>> {
        thread_local! { static SPARE: RefCell<Spare<Fine>> = const { RefCell::new(Vec::new()) } }
        &SPARE
    }
}
