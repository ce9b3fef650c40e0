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
    /// For each channel of the tensor, how its values come of pixels.
    lines: Vec<Line>,
}

impl Preprocessor {
    /// For the input that `spec` describes.
    pub fn new(spec: &InputSpec) -> Self {
        let lines = spec.mean.iter().zip(&spec.std).map(|(&mean, &std)| Line::new(spec.scale, mean, std)).collect();
        Self { spec: spec.clone(), resizer: Resizer::default(), resized: Vec::new(), canvas: Vec::new(), lines }
    }

    /// Writes the tensor of one image, `InputSpec::len` values in the order of its layout.
    ///
    /// # Panics
    /// If `out` has another length, or `image` was decoded for another input and lacks pixels of this one.
    pub fn fill(&mut self, image: &Decoded, out: &mut [f32]) {
        assert_eq!(out.len(), self.spec.len(), "the tensor of {}x{} pixels", self.spec.width, self.spec.height);
        let plan = Plan::new(&self.spec, image.width, image.height);
        self.resize(image, &plan);
        let whole = plan.size == (self.spec.width, self.spec.height);
        if !whole {
            self.frame(&plan);
        }
        let (pixels, _) = if whole { &self.resized } else { &self.canvas }.as_chunks::<3>();
        normalise(pixels, &self.spec, &self.lines, out);
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

/// `(pixel / scale - mean) / std`, as one product and one sum.
#[derive(Clone, Copy, Debug)]
struct Line {
    factor: f32,
    shift: f32,
}

impl Line {
    fn new(scale: f32, mean: f32, std: f32) -> Self {
        let (scale, mean, std) = (f64::from(scale), f64::from(mean), f64::from(std));
        Self { factor: (1.0 / (scale * std)) as f32, shift: (-mean / std) as f32 }
    }

    /// Rounded twice, on every machine.
    #[inline(always)]
    fn at(self, pixel: u8) -> f32 {
        f32::from(pixel) * self.factor + self.shift
    }
}

/// Pixels as values in the order of the tensor. Compiled twice on x86-64, for processors with AVX2 and for others.
fn normalise(pixels: &[[u8; 3]], spec: &InputSpec, lines: &[Line], out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        return unsafe { normalise_avx2(pixels, spec, lines, out) };
    }
    normalise_portable(pixels, spec, lines, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn normalise_avx2(pixels: &[[u8; 3]], spec: &InputSpec, lines: &[Line], out: &mut [f32]) {
    normalise_portable(pixels, spec, lines, out);
}

#[inline(always)]
fn normalise_portable(pixels: &[[u8; 3]], spec: &InputSpec, lines: &[Line], out: &mut [f32]) {
    let &[first, second, third] = lines else {
        for (out, &pixel) in out.iter_mut().zip(pixels) {
            *out = lines[0].at(samples::luma(pixel));
        }
        return;
    };
    let [red, green, blue] = as_pixels(spec.channels, [first, second, third]);
    match spec.layout {
        Layout::Nchw => {
            let (first, rest) = out.split_at_mut(pixels.len());
            let (second, third) = rest.split_at_mut(pixels.len());
            let [reds, greens, blues] = as_pixels(spec.channels, [first, second, third]);
            for (((r, g), b), pixel) in reds.iter_mut().zip(greens).zip(blues).zip(pixels) {
                (*r, *g, *b) = (red.at(pixel[0]), green.at(pixel[1]), blue.at(pixel[2]));
            }
        }
        Layout::Nhwc => {
            let (out, _) = out.as_chunks_mut::<3>();
            for (out, pixel) in out.iter_mut().zip(pixels) {
                *out = as_pixels(spec.channels, [red.at(pixel[0]), green.at(pixel[1]), blue.at(pixel[2])]);
            }
        }
    }
}

/// From the order of a tensor's channels to red, green and blue, or back.
#[inline(always)]
fn as_pixels<T>(channels: Channels, [first, second, third]: [T; 3]) -> [T; 3] {
    if channels == Channels::Bgr { [third, second, first] } else { [first, second, third] }
}

#[cfg(test)]
mod tests {
    use models::{Filter, Resize};

    use super::*;
    use crate::{Format, decoded::Raster, orientation::Orientation};

    fn image(width: u32, height: u32, pixels: &[[u8; 3]]) -> Decoded {
        let orientation = Orientation::default();
        let pixels = pixels.concat();
        Raster::whole((width, height), pixels, false, orientation).into_decoded(Format::Png)
    }

    fn spec(layout: Layout, channels: Channels) -> InputSpec {
        let count = channels.count();
        InputSpec {
            name: None,
            layout,
            height: 1,
            width: 2,
            channels,
            resize: Resize::Stretch,
            resize_to: None,
            filter: Filter::Bilinear,
            fill: None,
            full_decode: false,
            scale: 2.0,
            mean: [1.0, 2.0, 3.0][..count].to_vec(),
            std: [0.5, 4.0, 8.0][..count].to_vec(),
        }
    }

    fn tensor(spec: &InputSpec, image: &Decoded) -> Vec<f32> {
        let mut out = vec![f32::NAN; spec.len()];
        Preprocessor::new(spec).fill(image, &mut out);
        out
    }

    #[test]
    fn means_and_deviations_follow_the_order_of_the_channels() {
        let image = image(2, 1, &[[10, 20, 30], [40, 50, 60]]);
        let value = |pixel: f32, channel: usize| (pixel / 2.0 - [1.0, 2.0, 3.0][channel]) / [0.5, 4.0, 8.0][channel];
        let rgb = [value(10.0, 0), value(40.0, 0), value(20.0, 1), value(50.0, 1), value(30.0, 2), value(60.0, 2)];
        assert_eq!(tensor(&spec(Layout::Nchw, Channels::Rgb), &image), rgb);
        let bgr = [value(30.0, 0), value(60.0, 0), value(20.0, 1), value(50.0, 1), value(10.0, 2), value(40.0, 2)];
        assert_eq!(tensor(&spec(Layout::Nchw, Channels::Bgr), &image), bgr);
        let interleaved = [bgr[0], bgr[2], bgr[4], bgr[1], bgr[3], bgr[5]];
        assert_eq!(tensor(&spec(Layout::Nhwc, Channels::Bgr), &image), interleaved);
        for layout in [Layout::Nchw, Layout::Nhwc] {
            let luma = [samples::luma([10, 20, 30]), samples::luma([40, 50, 60])].map(|l| value(f32::from(l), 0));
            assert_eq!(tensor(&spec(layout, Channels::Luma), &image), luma);
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_values() {
        let pixels: Vec<[u8; 3]> = (0..301u32).map(|i| [i, i * i, i * 7 + 3].map(|value| value as u8)).collect();
        for layout in [Layout::Nchw, Layout::Nhwc] {
            for channels in [Channels::Rgb, Channels::Bgr, Channels::Luma] {
                let spec = InputSpec { width: 301, scale: 255.0, ..spec(layout, channels) };
                let lines = Preprocessor::new(&spec).lines;
                let (mut chosen, mut portable) = (vec![f32::NAN; spec.len()], vec![f32::NAN; spec.len()]);
                normalise(&pixels, &spec, &lines, &mut chosen);
                normalise_portable(&pixels, &spec, &lines, &mut portable);
                assert_eq!(chosen, portable);
                let first = (f32::from(if channels == Channels::Bgr { pixels[9][2] } else { pixels[9][0] }) / 255.0
                    - 1.0)
                    / 0.5;
                let place = if layout == Layout::Nchw { 9 } else { 9 * channels.count() };
                assert!(channels == Channels::Luma || (chosen[place] - first).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn one_preprocessor_serves_images_of_every_shape() {
        let mut spec = spec(Layout::Nhwc, Channels::Rgb);
        (spec.resize, spec.fill) = (Resize::Letterbox, Some([9, 9, 9]));
        let mut preprocessor = Preprocessor::new(&spec);
        let shapes = [(1, 1), (300, 2), (2, 300), (5, 5), (1, 1)];
        let fill = |preprocessor: &mut Preprocessor, (width, height): (u32, u32)| {
            let mut out = vec![f32::NAN; spec.len()];
            preprocessor.fill(&image(width, height, &vec![[77; 3]; (width * height) as usize]), &mut out);
            out
        };
        for shape in shapes {
            assert_eq!(fill(&mut preprocessor, shape), fill(&mut Preprocessor::new(&spec), shape), "{shape:?}");
        }
    }
}
