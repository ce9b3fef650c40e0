//! Sizes of images and windows, checked once when an op is made.

use crate::layout::BLOCK;

/// One image (or feature map): batches are a loop around the ops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels, as the model counts them.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
}

impl Shape {
    /// `channels` × `height` × `width`.
    pub fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Blocks of 16 channels; the last may be partly padding.
    pub fn blocks(self) -> usize {
        self.channels.div_ceil(BLOCK)
    }

    /// Pixels of one channel.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Floats of one block's plane.
    pub fn plane(self) -> usize {
        self.pixels() * BLOCK
    }

    /// Floats of the whole image in the blocked layout.
    pub fn blocked_len(self) -> usize {
        self.blocks() * self.plane()
    }

    /// Floats of the whole image in the planar layout.
    pub fn planar_len(self) -> usize {
        self.channels * self.pixels()
    }
}

/// A sliding window; pairs are (vertical, horizontal).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Taps.
    pub kernel: [usize; 2],
    /// Pixels from one output to the next.
    pub stride: [usize; 2],
    /// Pixels from one tap to the next.
    pub dilation: [usize; 2],
    /// Pixels added at the top, left, bottom and right.
    pub padding: [usize; 4],
}

impl Window {
    /// A square window with the same padding on all sides and no dilation.
    pub fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], padding: [padding; 4] }
    }

    /// The window of a 1×1 convolution.
    pub fn pointwise() -> Self {
        Self::square(1, 1, 0)
    }

    /// Rows and pixels that come out of an image of `height` × `width`, rounded down.
    pub fn output(&self, height: usize, width: usize) -> Result<[usize; 2], Unsupported> {
        let [top, left, bottom, right] = self.padding;
        let along = |axis: usize, length: usize| {
            let (kernel, stride, dilation) = (self.kernel[axis], self.stride[axis], self.dilation[axis]);
            if kernel == 0 || stride == 0 || dilation == 0 {
                return Err(Unsupported::new(format!("kernel, stride and dilation must be at least 1: {self:?}")));
            }
            let reach = (kernel - 1) * dilation + 1;
            let room = length.checked_sub(reach).ok_or_else(|| {
                Unsupported::new(format!("a window of {reach} pixels does not fit into {length}: {self:?}"))
            })?;
            Ok(room / stride + 1)
        };
        if height == 0 || width == 0 {
            return Err(Unsupported::new(format!("an image of {height}×{width} pixels is empty")));
        }
        Ok([along(0, height + top + bottom)?, along(1, width + left + right)?])
    }

    /// Rows from the first tap to the last, both included.
    pub(crate) fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// Pixels of a row, border included, that `outputs` windows touch.
    pub(crate) fn touched(&self, axis: usize, outputs: usize) -> usize {
        (outputs - 1) * self.stride[axis] + self.reach(axis)
    }

    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }
}

/// An op cannot be made with these sizes; the message says which one is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported(String);

impl Unsupported {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unsupported {}

/// Panics with the op's name unless a slice has the length that the op was made for.
#[track_caller]
pub(crate) fn check_len(what: &str, actual: usize, expected: usize) {
    assert!(actual == expected, "{what} has {actual} floats, the op was made for {expected}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_counted_as_onnx_does() {
        let mut window = Window::square(3, 2, 1);
        assert_eq!(window.output(224, 225), Ok([112, 113]));
        window.dilation = [2, 3];
        assert_eq!(window.output(7, 7), Ok([3, 2]));
    }

    #[test]
    fn a_window_that_does_not_fit_is_refused() {
        let message = Window::square(3, 1, 0).output(2, 8).unwrap_err().to_string();
        assert!(message.contains("3 pixels does not fit into 2"), "{message}");
    }
}
