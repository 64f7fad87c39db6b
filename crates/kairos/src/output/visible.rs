//! Text from outside, shown as what it is.
//!
//! Owns which characters a terminal would not show as themselves: those that steer it, those that
//! turn the direction of text, and those that look like a space or like nothing at all. They stand
//! escaped, so that what a person approves is what they read.

/// Escapes every such character of `text` that is not among `plain`.
pub(crate) fn visible(text: &str, plain: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if hides(c) && !plain.contains(&c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a terminal would not show it as itself: control characters, Unicode's format characters
/// (Cf), what is ignorable by default, and every space that looks like the common one.
pub(crate) fn hides(c: char) -> bool {
    c.is_control() || ignorable(c) || formats(c) || blank(c)
}

/// Unicode's `Default_Ignorable_Code_Point`, with the unassigned ranges it reserves.
fn ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The rest of Cf, and what no standard gives a look: private use and noncharacters.
fn formats(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{f0000}'..='\u{10ffff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Spaces and separators that are not U+0020; the ideographic space shows by its width.
fn blank(c: char) -> bool {
    matches!(c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}'..='\u{2029}' | '\u{202f}'
        | '\u{205f}' | '\u{2800}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_hidden_character_stands_escaped() {
        for (class, c) in [
            ("control", '\u{1b}'),
            ("control", '\r'),
            ("control of Latin-1", '\u{9b}'),
            ("override of direction", '\u{202e}'),
            ("override of direction", '\u{202c}'),
            ("isolate", '\u{2066}'),
            ("mark of direction", '\u{200f}'),
            ("mark of direction", '\u{61c}'),
            ("zero width", '\u{200b}'),
            ("zero width", '\u{200d}'),
            ("byte order mark", '\u{feff}'),
            ("soft hyphen", '\u{ad}'),
            ("word joiner", '\u{2060}'),
            ("variation selector", '\u{fe0f}'),
            ("filler", '\u{3164}'),
            ("tag", '\u{e0041}'),
            ("other format", '\u{600}'),
            ("private use", '\u{e000}'),
            ("noncharacter", '\u{1ffff}'),
            ("line separator", '\u{2028}'),
            ("space without a break", '\u{a0}'),
            ("blank pattern", '\u{2800}'),
        ] {
            let shown = format!("a{}b", c.escape_default());
            assert_eq!(visible(&format!("a{c}b"), &[]), shown, "{class}");
        }
    }

    #[test]
    fn what_shows_by_itself_stays() {
        let text = "ä ß 漢字\u{3000}é е́ 👍 \\u{202e} ~";
        assert_eq!(visible(text, &[]), text);
        assert_eq!(visible("\ta\n", &['\t']), "\ta\\n");
    }
}
