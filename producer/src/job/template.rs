//! A YAML file of ours in which single values are replaced; everything else stays as it is written, comments too.

/// The lines of the file. Blocks are indented by spaces, and each value that is replaced stands on the line of its key.
pub(super) struct Template {
    lines: Vec<String>,
}

impl Template {
    /// The file without the comment that it begins with.
    pub(super) fn new(text: &str) -> Self {
        Self { lines: text.lines().skip_while(|line| line.starts_with('#')).map(str::to_owned).collect() }
    }

    /// Replaces the value at a path of keys; of a list, the first entry is meant. `value` is YAML on one line.
    ///
    /// # Errors
    /// The path, if the file does not have it.
    pub(super) fn set(&mut self, path: &str, value: &str) -> Result<(), String> {
        let at = self.find(path).ok_or_else(|| format!("the Job's template has no line for {path}"))?;
        let key = self.lines[at].find(':').map_or(0, |colon| colon + 1);
        self.lines[at].truncate(key);
        self.lines[at].push(' ');
        self.lines[at].push_str(value);
        Ok(())
    }

    /// The line whose key, with the keys of the blocks around it, is `path`.
    fn find(&self, path: &str) -> Option<usize> {
        let mut open: Vec<(usize, &str)> = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            let content = line.trim_start_matches([' ', '-']);
            let Some((key, _)) = content.split_once(':').filter(|_| !content.starts_with('#')) else { continue };
            let indent = line.len() - content.len();
            open.retain(|(around, _)| *around < indent);
            open.push((indent, key));
            if path.split('.').eq(open.iter().map(|(_, key)| *key)) {
                return Some(at);
            }
        }
        None
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_path_and_nothing_else_changes() {
        let text = "# about\na: 1\nb: # why\n  # not c: 9\n  c: 2 # two\n  d:\n    - c: 3\n      e: {c: 4}\n    - c: 5\nc: 6\n";
        let mut template = Template::new(text);
        for (path, value) in [("b.c", "x"), ("b.d.c", "y"), ("b.d.e", "{c: z}"), ("c", "w")] {
            template.set(path, value).unwrap();
        }
        let changed = "a: 1\nb: # why\n  # not c: 9\n  c: x\n  d:\n    - c: y\n      e: {c: z}\n    - c: 5\nc: w\n";
        assert_eq!(template.to_string(), changed);
        assert!(template.set("b.e", "1").is_err());
    }
}
