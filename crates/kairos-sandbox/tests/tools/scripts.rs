//! What runs only where an entry names it.

use kairos_sandbox::Exit;
use kairos_sandbox::catalog::CommandRule;

use crate::account::{Home, both};
use crate::desk::{changed, made, said};

/// As `docs/commands.md` has it.
pub(crate) fn python() -> CommandRule {
    let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    CommandRule {
        name: "python3".into(),
        accept: vec![argv(&["-c", "print(1)"]), argv(&["tools/check.py"])],
        ..CommandRule::default()
    }
}

const SCRIPT: &str = "\
import sys
import words
text = open('in.txt').read()
open('out.txt', 'w').write(words.loud(text))
print(len(text), sys.argv[1:])
";

#[test]
fn python_reads_a_file_and_writes_another() {
    if crate::account::is_excused(&["python3"]) {
        return;
    }
    both("scripts::python_reads_a_file_and_writes_another", Home::Bare, |desk| {
        desk.file("tools/check.py", SCRIPT).file("in.txt", "hello\n");
        desk.file("tools/words.py", "def loud(text):\n    return text.upper()\n");
        let catalog = desk.enter(python());
        let argv = ["tools/check.py", "a;b", "$(x)"];
        let ran = desk.asks_by(&catalog, "python3", &argv);
        assert_eq!(ran.exit, Exit::Code(0), "{}", said(&ran));
        assert_eq!(ran.stdout.bytes(), b"6 ['a;b', '$(x)']\n");
        assert_eq!(changed(&ran), ["out.txt"]);
        assert_eq!(made(&ran, "out.txt"), "HELLO\n");
        assert!(!desk.workspace().join("out.txt").exists());
        let failed = desk.asks_by(&catalog, "python3", &["-c", "import sys; sys.exit(3)"]);
        assert_eq!((failed.exit, changed(&failed)), (Exit::Code(3), vec![]));
    });
}
