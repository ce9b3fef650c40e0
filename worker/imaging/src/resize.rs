//! Resampling RGB8 pixels with Pillow's filters, which antialias when they shrink.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions};
use models::Filter;

use crate::{Decoded, geometry::Plan};

/// A resampler; its buffers serve one image after the other.
#[derive(Default)]
pub(crate) struct Resizer {
    convolution: fast_image_resize::Resizer,
}

/// A rectangle of decoded pixels, in those pixels.
pub(crate) struct Source {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Resizer {
    /// Resamples the rectangle `source` of an image to `size` (width, height) pixels of RGB8 in `out`. Pixels around
    /// the rectangle count where a filter reaches them, so that the result is a cut-out of the whole image resized.
    pub fn resize(
        &mut self,
        image: &Decoded,
        source: &Source,
        filter: Filter,
        (width, height): (u32, u32),
        out: &mut [u8],
    ) {
        let filter = match filter {
            Filter::Nearest => return source.nearest(image, (width, height), out),
            Filter::Box => FilterType::Box,
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Bicubic => FilterType::CatmullRom,
            Filter::Lanczos => FilterType::Lanczos3,
        };
        let (pixel_width, pixel_height) = image.pixel_size();
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(
            source.left,
            source.top,
            source.width,
            source.height,
        );
        let from = ImageRef::new(pixel_width, pixel_height, image.pixels(), PixelType::U8x3)
            .expect("`Decoded` has as many pixels as it says");
        let mut to = Image::from_slice_u8(width, height, out, PixelType::U8x3).expect("the buffer has this size");
        self.convolution.resize(&from, &mut to, &options).expect("the rectangle lies inside of the image");
    }
}

impl Source {
    /// What `plan` uses of an image.
    pub fn new(image: &Decoded, plan: &Plan) -> Self {
        let extent = image.extent();
        let (pixel_width, pixel_height) = image.pixel_size();
        let scale = (extent.width / f64::from(plan.scaled.0), extent.height / f64::from(plan.scaled.1));
        let left = extent.left + f64::from(plan.crop.0) * scale.0;
        let top = extent.top + f64::from(plan.crop.1) * scale.1;
        // Sums of rounded numbers may pass the edge by their last bits.
        let width = (f64::from(plan.size.0) * scale.0).min(f64::from(pixel_width) - left);
        let height = (f64::from(plan.size.1) * scale.1).min(f64::from(pixel_height) - top);
        Self { left, top, width, height }
    }

    /// The pixel under the middle of each target pixel.
    fn nearest(&self, image: &Decoded, (width, height): (u32, u32), out: &mut [u8]) {
        let (pixel_width, pixel_height) = image.pixel_size();
        let (x_step, y_step) = (self.width / f64::from(width), self.height / f64::from(height));
        let at = |start: f64, step: f64, i: u32, end: u32| {
            ((start + (f64::from(i) + 0.5) * step) as usize).min(end as usize - 1)
        };
        let columns: Vec<usize> = (0..width).map(|x| at(self.left, x_step, x, pixel_width)).collect();
        let (from, _) = image.pixels().as_chunks::<3>();
        let (out, _) = out.as_chunks_mut::<3>();
        for (y, out) in (0..height).zip(out.chunks_exact_mut(width as usize)) {
            let row = at(self.top, y_step, y, pixel_height);
            let from = &from[row * pixel_width as usize..][..pixel_width as usize];
            for (out, &column) in out.iter_mut().zip(&columns) {
                *out = from[column];
            }
        }
    }
}
