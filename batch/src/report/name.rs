//! Text that came from outside (file names, labels, messages): escaped, isolated from its surroundings, with every character
//! that one cannot see made visible.

use std::fmt::Write as _;

use maud::{Escaper, Markup, Render, html};

/// Text from outside, as an element of its own: direction is isolated, long words wrap, invisible characters show.
pub(super) struct Name<'a>(pub(super) &'a str);

impl Render for Name<'_> {
    fn render_to(&self, buffer: &mut String) {
        buffer.push_str("<bdi class=\"name\">");
        for c in self.0.chars() {
            if is_invisible(c) {
                buffer.push_str("<span class=\"invisible\">");
                buffer.push_str(&code_point(c));
                buffer.push_str("</span>");
                continue;
            }
            // Writing into a String cannot fail.
            let _ = Escaper::new(buffer).write_char(c);
            if c == '/' {
                buffer.push_str("<wbr>");
            }
        }
        buffer.push_str("</bdi>");
    }
}

/// Text from outside for an attribute or a title, where no element can stand. The template still escapes it.
pub(super) fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut visible, c| {
        if is_invisible(c) {
            visible.push_str(&code_point(c));
        } else {
            visible.push(c);
        }
        visible
    })
}

/// A URI in two tones: the last part of its path, and before it, quieter, where that lies. Each is shortened in its middle to
/// at most `most` characters.
pub(super) fn location(uri: &str, most: usize) -> Markup {
    let (folder, file) = split(uri);
    html! {
        span.location {
            @if !folder.is_empty() { span.folder { (Name(&shortened(folder, most))) } }
            span.file { (Name(&shortened(file, most))) }
        }
    }
}

/// The last part of the path of `uri`.
pub(super) fn file_name(uri: &str) -> &str {
    split(uri).1
}

/// `text` itself, or its beginning and its end with an ellipsis between: at most `most` characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let end = most / 3;
    let start = most - end - 1;
    text.chars().take(start).chain(['…']).chain(text.chars().skip(length - end)).collect()
}

/// Folder with its trailing slash, and file. A URI that ends in a slash is all file.
fn split(uri: &str) -> (&str, &str) {
    match uri.trim_end_matches('/').rfind('/') {
        Some(slash) if !uri.ends_with('/') => uri.split_at(slash + 1),
        _ => ("", uri),
    }
}

fn code_point(c: char) -> String {
    format!("⟨U+{:04X}⟩", u32::from(c))
}

/// Characters that show nothing, or that change how their neighbours show: controls, bidirectional marks and overrides,
/// zero-width spaces, line separators, tags. The joiners U+200C and U+200D stay: scripts and emoji need them.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        let shown = Name("<script>alert(\"1\" & 'x')</script>").render().into_string();
        assert_eq!(shown, "<bdi class=\"name\">&lt;script&gt;alert(&quot;1&quot; &amp; 'x')&lt;/<wbr>script&gt;</bdi>");
    }

    #[test]
    fn invisible_characters_show_and_cannot_reorder() {
        let tricky = "a\u{202e}gpj.exe\n\u{200b}\u{2066}\0\u{7f}\u{85}";
        for shown in [visible(tricky), Name(tricky).render().into_string()] {
            assert!(!shown.chars().any(is_invisible), "{shown:?}");
            for code in ["⟨U+202E⟩", "⟨U+000A⟩", "⟨U+200B⟩", "⟨U+2066⟩", "⟨U+0000⟩", "⟨U+007F⟩", "⟨U+0085⟩"]
            {
                assert!(shown.contains(code), "{code} in {shown}");
            }
        }
        assert_eq!(visible("naïve 日本 👩\u{200d}🚀 שלום.jpg"), "naïve 日本 👩\u{200d}🚀 שלום.jpg");
    }

    #[test]
    fn long_text_keeps_its_ends() {
        assert_eq!(shortened("abcdefghij", 10), "abcdefghij");
        let short = shortened("äbcdefghijkl", 10);
        assert_eq!((short.as_str(), short.chars().count()), ("äbcdef…jkl", 10));
    }

    #[test]
    fn a_location_is_folder_and_file() {
        assert_eq!(split("s3://photos/2026/a.jpg"), ("s3://photos/2026/", "a.jpg"));
        assert_eq!(split("a.jpg"), ("", "a.jpg"));
        assert_eq!(split("folder/"), ("", "folder/"));
        assert_eq!(split("/"), ("", "/"));
        assert_eq!(file_name("/x/y.png"), "y.png");
    }
}
