//! `model.toml`: everything that turns the bytes of an image into scores and scores into labels.

use serde::{Deserialize, Serialize};

/// The contents of `model.toml`. Unknown keys are errors, so a misspelt one cannot silently fall back to a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Name of the model, e.g. `squeezenet1.1`; appears in every row before the `@`.
    pub name: String,
    /// Version of the package, chosen by its maker.
    pub version: String,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How an image becomes the input tensor.
    pub input: InputSpec,
    /// How the output tensor becomes scores.
    pub output: OutputSpec,
}

/// How a decoded image becomes the input tensor: resize, crop, reorder, `(pixel / scale - mean) / std`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Name of the graph's input; may be left out when it has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Order of the tensor's axes.
    #[serde(default)]
    pub layout: Layout,
    /// Height of the tensor in pixels.
    pub height: u32,
    /// Width of the tensor in pixels.
    pub width: u32,
    /// Channels of the tensor, in order.
    #[serde(default)]
    pub channels: Channels,
    /// How the image is brought to `height` × `width`.
    pub resize: Resize,
    /// For `shorter-side`: length in pixels of the shorter side before the centre crop; the larger of `height` and
    /// `width` unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize_to: Option<u32>,
    /// Resampling filter; all of them antialias when shrinking, as Pillow does.
    #[serde(default)]
    pub filter: Filter,
    /// For `letterbox`: the colour of the bars, R, G, B, 0–255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
    /// Whether all JPEGs are decoded at full size where a reduced scale has pixels enough; otherwise only close calls are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full_decode: bool,
    /// Pixel values, 0–255, are divided by this first.
    pub scale: f32,
    /// Subtracted per channel, in the order of `channels` (one value for `L`).
    pub mean: Vec<f32>,
    /// Divided by per channel, in the order of `channels` (one value for `L`).
    pub std: Vec<f32>,
}

/// How the output tensor becomes scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// Name of the graph's output; may be left out when it has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What its numbers are.
    pub kind: OutputKind,
}

/// Order of the axes of the input tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// Batch, channel, row, column.
    #[default]
    #[serde(rename = "NCHW")]
    Nchw,
    /// Batch, row, column, channel.
    #[serde(rename = "NHWC")]
    Nhwc,
}

/// Channels of the input tensor, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channels {
    /// Red, green, blue.
    #[default]
    #[serde(rename = "RGB")]
    Rgb,
    /// Blue, green, red (Caffe, OpenCV).
    #[serde(rename = "BGR")]
    Bgr,
    /// One channel of luma, ITU-R 601 as Pillow's `convert("L")`.
    #[serde(rename = "L")]
    Luma,
}

impl Channels {
    /// Number of channels: 3 or 1.
    pub fn count(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Luma => 1,
        }
    }
}

/// How an image is brought to the size of the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// The shorter side becomes `resize_to`, the aspect ratio stays, the centre is cut out.
    ShorterSide,
    /// Both sides are scaled to fit, whatever the aspect ratio.
    Stretch,
    /// The whole image fits inside, the aspect ratio stays, the rest is filled with `fill`.
    Letterbox,
}

/// Resampling filter, with Pillow's meaning of the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// The nearest pixel.
    Nearest,
    /// The mean of the covered pixels.
    Box,
    /// Triangle.
    #[default]
    Bilinear,
    /// Cubic with a = −0.5.
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
}

/// What the numbers of the output tensor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputKind {
    /// Any real numbers; softmax makes them scores.
    Logits,
    /// Scores already.
    Probabilities,
}

/// Largest height or width of an input tensor, in pixels: larger ones are taken for a mistake.
const LARGEST_SIDE: u32 = 4096;

impl ModelSpec {
    /// Parses and validates the text of a `model.toml`. The error is a sentence that names the key and the remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let spec: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        spec.validate()?;
        Ok(spec)
    }

    fn validate(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            return Err(format!("name = {:?}: use 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-'", self.name));
        }
        self.input.validate()
    }
}

impl InputSpec {
    /// Length in pixels of the shorter side before the centre crop (for [`Resize::ShorterSide`]).
    pub fn shorter_side(&self) -> u32 {
        self.resize_to.unwrap_or(self.height.max(self.width))
    }

    /// Number of values of the input tensor of one image: channels × height × width.
    pub fn len(&self) -> usize {
        self.channels.count() * self.height as usize * self.width as usize
    }

    /// Never: a valid input has at least one value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn validate(&self) -> Result<(), String> {
        for (key, side) in [("height", self.height), ("width", self.width), ("resize_to", self.shorter_side())] {
            if side == 0 || side > LARGEST_SIDE {
                return Err(format!("input.{key} = {side}: it must lie between 1 and {LARGEST_SIDE} pixels"));
            }
        }
        if self.resize == Resize::ShorterSide && self.shorter_side() < self.height.max(self.width) {
            return Err(format!(
                "input.resize_to = {}: the crop of {}×{} does not fit; it must be at least the larger side",
                self.shorter_side(),
                self.height,
                self.width
            ));
        }
        if self.resize != Resize::ShorterSide && self.resize_to.is_some() {
            return Err("input.resize_to goes with resize = \"shorter-side\" only; remove it".into());
        }
        if self.resize != Resize::Letterbox && self.fill.is_some() {
            return Err("input.fill goes with resize = \"letterbox\" only; remove it".into());
        }
        for (key, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != self.channels.count() || !values.iter().all(|value| value.is_finite()) {
                return Err(format!("input.{key} needs {} finite numbers, one per channel", self.channels.count()));
            }
        }
        let positive = |value: &f32| value.is_finite() && *value > 0.0;
        if !positive(&self.scale) || !self.std.iter().all(positive) {
            return Err("input.scale and input.std must be larger than 0".into());
        }
        if self
            .mean
            .iter()
            .zip(&self.std)
            .any(|(mean, std)| !(1.0 / (self.scale * std)).is_finite() || !(mean / std).is_finite())
        {
            return Err("input.scale and input.std are so small that no tensor could hold the values".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUEEZENET: &str = r#"
        name = "squeezenet1.1"
        version = "1"
        [input]
        height = 224
        width = 224
        channels = "BGR"
        resize = "shorter-side"
        resize_to = 256
        scale = 1.0
        mean = [104.0, 117.0, 123.0]
        std = [1.0, 1.0, 1.0]
        [output]
        kind = "probabilities"
    "#;

    #[test]
    fn reads_a_spec_with_its_defaults() {
        let spec = ModelSpec::parse(SQUEEZENET).unwrap();
        assert_eq!(spec.input.layout, Layout::Nchw);
        assert_eq!(spec.input.filter, Filter::Bilinear);
        assert_eq!(spec.input.len(), 3 * 224 * 224);
        assert!(!spec.input.full_decode);
        let in_full = SQUEEZENET.replace("scale = 1.0", "scale = 1.0\nfull_decode = true");
        assert!(ModelSpec::parse(&in_full).unwrap().input.full_decode);
    }

    #[test]
    fn every_mistake_names_its_key() {
        for (from, to, key) in [
            ("version = \"1\"", "version = \"1\"\ncolour = 3", "colour"),
            ("resize_to = 256", "resize_to = 200", "resize_to"),
            ("resize_to = 256", "fill = [0, 0, 0]", "fill"),
            ("\"shorter-side\"", "\"stretch\"", "resize_to"),
            ("\"shorter-side\"", "\"squash\"", "squash"),
            ("[104.0, 117.0, 123.0]", "[104.0]", "mean"),
            ("std = [1.0, 1.0, 1.0]", "std = [1.0, 0.0, 1.0]", "std"),
            ("std = [1.0, 1.0, 1.0]", "std = [1.0, 1e-38, 1.0]", "std"),
            ("scale = 1.0", "scale = 1e-42", "scale"),
            ("height = 224", "height = 0", "height"),
            ("squeezenet1.1", "a b", "name"),
            ("kind = \"probabilities\"", "", "kind"),
        ] {
            let error = ModelSpec::parse(&SQUEEZENET.replace(from, to)).unwrap_err();
            assert!(error.contains(key), "{to:?} gave {error:?}");
        }
    }
}
