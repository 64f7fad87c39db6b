//! Documents from text.

use kairos_sandbox::Exit;

use crate::account::{Home, both};
use crate::desk::{changed, made, said};

const NOTES: &str = "# Notes\n\nA *word*, and `code`.\n\n- one\n- two\n";
const HTML: &str = "\
<h1 id=\"notes\">Notes</h1>
<p>A <em>word</em>, and <code>code</code>.</p>
<ul>
<li>one</li>
<li>two</li>
</ul>
";

#[test]
fn markdown_becomes_html() {
    if crate::account::is_excused(&["pandoc"]) {
        return;
    }
    both("documents::markdown_becomes_html", Home::Bare, |desk| {
        desk.file("notes.md", NOTES);
        assert_eq!(desk.answer("pandoc", &["notes.md"]), HTML);
        let file = desk.asks("pandoc", &["notes.md", "-o", "notes.html"]);
        assert_eq!(
            (file.exit, changed(&file)),
            (Exit::Code(0), vec!["notes.html".into()]),
            "{}",
            said(&file)
        );
        assert_eq!(made(&file, "notes.html"), HTML);
        let whole = desk.asks(
            "pandoc",
            &["-s", "-M", "title=Notes", "-t", "html5", "notes.md", "-o", "out.html"],
        );
        assert_eq!(
            (whole.exit, changed(&whole)),
            (Exit::Code(0), vec!["out.html".into()]),
            "{}",
            said(&whole)
        );
        let page = made(&whole, "out.html");
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains(HTML), "{page}");
        assert!(page.contains("<title>Notes</title>"), "{page}");
        assert!(!desk.workspace().join("notes.html").exists());
    });
}

const PAPER: &str = "\\documentclass{article}\\begin{document}A word.\\end{document}\n";

/// By hand, where TeX is: `texlive-xetex`, `texlive-latex-recommended` and `lmodern` are what Debian needs.
#[test]
#[ignore = "TeX is too large to be installed for one test"]
fn tex_and_markdown_become_pdf() {
    both("documents::tex_and_markdown_become_pdf", Home::Bare, |desk| {
        desk.file("paper.tex", PAPER).file("notes.md", NOTES);
        for engine in ["xelatex", "pdflatex"] {
            let paper = desk.asks(engine, &["paper.tex"]);
            assert_eq!(paper.exit, Exit::Code(0), "{engine} {}", said(&paper));
            assert_eq!(changed(&paper), ["paper.aux", "paper.log", "paper.pdf"]);
        }
        let notes = desk.asks("pandoc", &["--pdf-engine=xelatex", "notes.md", "-o", "notes.pdf"]);
        assert_eq!(notes.exit, Exit::Code(0), "{}", said(&notes));
        assert_eq!(changed(&notes), ["notes.pdf"]);
    });
}
