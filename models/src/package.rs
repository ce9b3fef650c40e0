//! A model package: opened from a directory or built in, validated, with its digest.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::builtin;
use crate::digest::Digest;
use crate::golden::Golden;
use crate::spec::ModelSpec;

/// A validated model package. The graph itself is not read into memory; see [`Package::onnx`].
#[derive(Clone, Debug)]
pub struct Package {
    spec: ModelSpec,
    labels: Vec<String>,
    golden: Vec<Golden>,
    digest: Digest,
    onnx: Onnx,
}

/// Where the ONNX graph lies.
#[derive(Clone, Copy, Debug)]
pub enum OnnxSource<'a> {
    /// A file; external data, if any, lies beside it.
    File(&'a Path),
    /// The whole graph, weights included.
    Bytes(&'a [u8]),
}

#[derive(Clone, Debug)]
enum Onnx {
    File(PathBuf),
    Bytes(Vec<u8>),
}

/// Why a directory is no model package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file of the package is missing or cannot be read.
    #[error("model package {}: {file}: {source}", package.display())]
    Unreadable {
        /// The package's directory.
        package: PathBuf,
        /// The file, or `.` for the directory itself.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the package is wrong.
    #[error("model package {}: {file}: {reason}", package.display())]
    Invalid {
        /// The package's directory, or `builtin`.
        package: PathBuf,
        /// The file.
        file: String,
        /// What is wrong and how to mend it.
        reason: String,
    },
}

/// Larger text files than this, in bytes, are taken for a mistake.
const LARGEST_TEXT: u64 = 64 << 20;

impl Package {
    /// Opens and validates the package in directory `dir`: `model.onnx` (external data beside it), `model.toml`,
    /// `labels.txt`, `golden.jsonl`. Every file but hidden ones counts into the digest; folders are refused.
    pub fn open(dir: &Path) -> Result<Self, PackageError> {
        let open = Directory(dir);
        let digest = open.digest()?;
        let (spec, labels, golden) = (open.text("model.toml")?, open.text("labels.txt")?, open.text("golden.jsonl")?);
        let onnx = dir.join("model.onnx");
        File::open(&onnx).map_err(|source| open.unreadable("model.onnx", source))?;
        Self::assemble(dir, Texts { spec, labels, golden }, digest, Onnx::File(onnx))
    }

    /// The built-in package: a small CIFAR-10 classifier.
    pub fn builtin() -> Result<Self, PackageError> {
        let (text, graph) = (builtin::text, builtin::graph());
        let texts = Texts { spec: text("model.toml"), labels: text("labels.txt"), golden: text("golden.jsonl") };
        Self::assemble(Path::new("builtin"), texts, builtin::digest(), Onnx::Bytes(graph))
    }

    /// The digest of the built-in package, without unpacking it.
    pub fn builtin_digest() -> Digest {
        builtin::digest()
    }

    fn assemble(package: &Path, texts: Texts, digest: Digest, onnx: Onnx) -> Result<Self, PackageError> {
        let invalid = |file: &str| {
            let (package, file) = (package.to_owned(), file.to_owned());
            move |reason| PackageError::Invalid { package, file, reason }
        };
        let spec = ModelSpec::parse(&texts.spec).map_err(invalid("model.toml"))?;
        let labels = parse_labels(&texts.labels).map_err(invalid("labels.txt"))?;
        let golden = Golden::parse_all(&texts.golden, labels.len()).map_err(invalid("golden.jsonl"))?;
        Ok(Self { spec, labels, golden, digest, onnx })
    }

    /// What `model.toml` says.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The label of each class, by index.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Inputs with the scores they must get; at least one.
    pub fn golden(&self) -> &[Golden] {
        &self.golden
    }

    /// SHA-256 over every file of the package: what `LC_ALL=C sha256sum * | sha256sum` prints in its directory.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// `name@digest` with the first 12 digits: the `model` of every row.
    pub fn id(&self) -> String {
        format!("{}@{}", self.spec.name, self.digest.short())
    }

    /// Where the package lies, for messages: its directory, or `builtin`.
    pub fn place(&self) -> &Path {
        match &self.onnx {
            Onnx::File(onnx) => onnx.parent().unwrap_or(onnx),
            Onnx::Bytes(_) => Path::new("builtin"),
        }
    }

    /// Where the ONNX graph lies.
    pub fn onnx(&self) -> OnnxSource<'_> {
        match &self.onnx {
            Onnx::File(path) => OnnxSource::File(path),
            Onnx::Bytes(bytes) => OnnxSource::Bytes(bytes),
        }
    }
}

struct Texts {
    spec: String,
    labels: String,
    golden: String,
}

struct Directory<'a>(&'a Path);

impl Directory<'_> {
    fn unreadable(&self, file: &str, source: std::io::Error) -> PackageError {
        PackageError::Unreadable { package: self.0.to_owned(), file: file.to_owned(), source }
    }

    fn invalid(&self, file: &str, reason: &str) -> PackageError {
        PackageError::Invalid { package: self.0.to_owned(), file: file.to_owned(), reason: reason.to_owned() }
    }

    fn digest(&self) -> Result<Digest, PackageError> {
        let unreadable = |source| self.unreadable(".", source);
        let mut files = Vec::new();
        for entry in fs::read_dir(self.0).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if entry.path().is_dir() {
                return Err(self.invalid(&name, "a package has no folders; put all files side by side"));
            }
            let digest = File::open(entry.path()).and_then(Digest::of_reader);
            files.push((name.clone(), digest.map_err(|source| self.unreadable(&name, source))?));
        }
        Ok(Digest::of_files(files.iter().map(|(name, digest)| (name.as_str(), *digest))))
    }

    fn text(&self, file: &str) -> Result<String, PackageError> {
        let path = self.0.join(file);
        let unreadable = |source| self.unreadable(file, source);
        if fs::metadata(&path).map_err(unreadable)?.len() > LARGEST_TEXT {
            return Err(self.invalid(file, "it is larger than 64 MiB"));
        }
        fs::read_to_string(&path).map_err(unreadable)
    }
}

fn parse_labels(text: &str) -> Result<Vec<String>, String> {
    let labels: Vec<_> = text.lines().map(|line| line.trim().to_owned()).collect();
    match labels.iter().position(String::is_empty) {
        Some(at) => Err(format!("line {} is empty; one label a line, in the order of the classes", at + 1)),
        None if labels.is_empty() => Err("it has no line; one label a line, in the order of the classes".into()),
        None => Ok(labels),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "name='t'\nversion='1'\n[input]\nheight=2\nwidth=2\nresize='stretch'\nscale=255.0\n\
                        mean=[0.0,0.0,0.0]\nstd=[1.0,1.0,1.0]\n[output]\nkind='logits'\n";
    const GOLDEN: &str = r#"{"name":"a","image":"AQI=","scores":[{"index":1,"score":0.5}]}"#;

    fn write(dir: &Path) {
        for (name, text) in
            [("model.onnx", "graph"), ("model.toml", SPEC), ("labels.txt", "cat\ndog\n"), ("golden.jsonl", GOLDEN)]
        {
            fs::write(dir.join(name), text).unwrap();
        }
    }

    #[test]
    fn every_file_counts_into_the_digest_but_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        let digest = Package::open(dir.path()).unwrap().digest();
        fs::write(dir.path().join(".DS_Store"), "x").unwrap();
        assert_eq!(Package::open(dir.path()).unwrap().digest(), digest);
        fs::write(dir.path().join("model.onnx.data"), "weights").unwrap();
        assert_ne!(Package::open(dir.path()).unwrap().digest(), digest);
    }

    #[test]
    fn every_defect_names_the_package_and_the_file() {
        type Break = fn(&Path);
        let breaks: [(&str, Break); 6] = [
            ("model.onnx", |dir| fs::remove_file(dir.join("model.onnx")).unwrap()),
            ("model.toml", |dir| fs::remove_file(dir.join("model.toml")).unwrap()),
            ("model.toml", |dir| fs::write(dir.join("model.toml"), "nme = 3").unwrap()),
            ("labels.txt", |dir| fs::write(dir.join("labels.txt"), "cat\n\ndog\n").unwrap()),
            ("golden.jsonl", |dir| fs::write(dir.join("golden.jsonl"), "").unwrap()),
            ("weights", |dir| fs::create_dir(dir.join("weights")).unwrap()),
        ];
        for (file, damage) in breaks {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path());
            damage(dir.path());
            let error = Package::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains(file) && error.contains(&dir.path().display().to_string()), "{error}");
        }
    }

    #[test]
    fn the_builtin_package_is_valid() {
        let package = Package::builtin().unwrap();
        assert_eq!(package.labels().len(), 10);
        assert!(matches!(package.onnx(), OnnxSource::Bytes(bytes) if bytes.len() < 8 << 20));
        // As if it were a folder like any other.
        let folder = Package::open(Path::new("cifar10/package")).unwrap();
        assert_eq!(Package::builtin_digest(), folder.digest());
    }
}
