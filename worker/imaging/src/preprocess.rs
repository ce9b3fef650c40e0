//! From pixels to the input tensor: resize, crop, reorder, normalise.

use models::{Channels, InputSpec, Layout};

use crate::{Decoded, geometry::Plan, resize::Resizer, samples};

/// Fills input tensors for one model; its buffers serve one image after the other.
pub struct Preprocessor {
    spec: InputSpec,
    resizer: Resizer,
    /// The resized rectangle, RGB8.
    resized: Vec<u8>,
    /// The whole tensor in pixels, RGB8; used where the rectangle does not cover it.
    canvas: Vec<u8>,
    /// The value of every pixel value, per channel of the tensor.
    values: Vec<[f32; 256]>,
}

impl Preprocessor {
    /// For the input that `spec` describes.
    pub fn new(spec: &InputSpec) -> Self {
        let value = |pixel: usize, channel: usize| (pixel as f32 / spec.scale - spec.mean[channel]) / spec.std[channel];
        let values = (0..spec.channels.count()).map(|channel| std::array::from_fn(|pixel| value(pixel, channel)));
        let values = values.collect();
        Self { spec: spec.clone(), resizer: Resizer::default(), resized: Vec::new(), canvas: Vec::new(), values }
    }

    /// Writes the tensor of one image, `InputSpec::len` values in the order of its layout.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn fill(&mut self, image: &Decoded, out: &mut [f32]) {
        assert_eq!(out.len(), self.spec.len(), "the tensor of {}x{} pixels", self.spec.width, self.spec.height);
        let plan = Plan::new(&self.spec, image.width, image.height);
        self.resize(image, &plan);
        let whole = plan.size == (self.spec.width, self.spec.height);
        if !whole {
            self.frame(&plan);
        }
        let (pixels, _) = if whole { &self.resized } else { &self.canvas }.as_chunks::<3>();
        normalise(pixels, &self.spec, &self.values, out);
    }

    /// Resizes what the plan uses of the image into `resized`.
    fn resize(&mut self, image: &Decoded, plan: &Plan) {
        let (width, height) = plan.size;
        self.resized.resize(width as usize * height as usize * 3, 0);
        self.resizer.resize(image, plan, self.spec.filter, &mut self.resized);
    }

    /// Puts the resized rectangle into its place between the bars.
    fn frame(&mut self, plan: &Plan) {
        let fill = self.spec.fill.unwrap_or([0; 3]);
        self.canvas.clear();
        self.canvas.extend(fill.iter().cycle().take(self.spec.width as usize * self.spec.height as usize * 3));
        let row = self.spec.width as usize * 3;
        let start = plan.place.1 as usize * row + plan.place.0 as usize * 3;
        let rectangle_row = plan.size.0 as usize * 3;
        for (to, from) in self.canvas[start..].chunks_mut(row).zip(self.resized.chunks_exact(rectangle_row)) {
            to[..rectangle_row].copy_from_slice(from);
        }
    }
}

/// Pixels as values in the order of the tensor.
fn normalise(pixels: &[[u8; 3]], spec: &InputSpec, values: &[[f32; 256]], out: &mut [f32]) {
    let order = match (spec.channels, values) {
        (Channels::Luma, [values]) => {
            for (out, &pixel) in out.iter_mut().zip(pixels) {
                *out = values[usize::from(samples::luma(pixel))];
            }
            return;
        }
        (Channels::Bgr, _) => [2, 1, 0],
        _ => [0, 1, 2],
    };
    match spec.layout {
        Layout::Nchw => {
            let planes = out.chunks_exact_mut(pixels.len());
            for ((plane, from), values) in planes.zip(order).zip(values) {
                for (out, pixel) in plane.iter_mut().zip(pixels) {
                    *out = values[usize::from(pixel[from])];
                }
            }
        }
        Layout::Nhwc => {
            for (out, pixel) in out.chunks_exact_mut(3).zip(pixels) {
                for ((out, from), values) in out.iter_mut().zip(order).zip(values) {
                    *out = values[usize::from(pixel[from])];
                }
            }
        }
    }
}
