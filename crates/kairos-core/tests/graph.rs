//! The order of a plan's steps, and what a failure does to it.

use FailurePolicy::{Continue, Halt, SkipDependents};
use kairos_core::plan::graph::{
    FailurePolicy, Graph, GraphError, MarkError, Node, STEPS_MAX, Status, StepName, StepNameError,
};

fn name(text: &str) -> StepName {
    text.parse().expect("a step's name")
}

fn names(texts: &[&str]) -> Vec<StepName> {
    texts.iter().map(|text| name(text)).collect()
}

/// A step's name, what it depends on, and its policy.
type Row = (&'static str, &'static [&'static str], FailurePolicy);

fn graph(nodes: &[Row]) -> Result<Graph, GraphError> {
    Graph::new(
        nodes
            .iter()
            .map(|(own, depends_on, policy)| Node {
                name: name(own),
                depends_on: names(depends_on),
                policy: *policy,
            })
            .collect(),
    )
}

/// a → b → c, and d on its own.
fn chain(policy: FailurePolicy) -> Graph {
    graph(&[("a", &[], policy), ("b", &["a"], Halt), ("c", &["b"], Halt), ("d", &[], Halt)])
        .expect("a plan")
}

#[test]
fn the_first_free_step_is_next() {
    let mut plan = chain(Halt);
    assert_eq!(plan.next_runnable(), Some(&name("a")));
    plan.mark(&name("a"), Status::Running).expect("a begins");
    assert_eq!(plan.next_runnable(), Some(&name("d")));
    plan.mark(&name("a"), Status::Completed).expect("a ends");
    assert_eq!(plan.next_runnable(), Some(&name("b")));
    for step in ["b", "c", "d"] {
        assert!(!plan.is_finished());
        plan.mark(&name(step), Status::Completed).expect("ends");
    }
    assert!(plan.is_finished());
}

#[test]
fn halt_cancels_every_pending_step() {
    let mut plan = chain(Halt);
    plan.mark(&name("d"), Status::Running).expect("d begins");
    assert_eq!(plan.mark(&name("a"), Status::Failed), Ok(names(&["b", "c"])));
    assert!(!plan.is_finished(), "d still runs");
    plan.mark(&name("d"), Status::Completed).expect("d ends");
    assert!(plan.is_finished());
}

#[test]
fn skip_dependents_cancels_what_stands_behind_also_through_finished_steps() {
    let mut plan = chain(SkipDependents);
    plan.mark(&name("b"), Status::Running).expect("b begins");
    assert_eq!(plan.mark(&name("a"), Status::Failed), Ok(names(&["c"])));
    assert_eq!(plan.next_runnable(), Some(&name("d")));
}

#[test]
fn continue_lets_dependents_run() {
    let mut plan = chain(Continue);
    assert_eq!(plan.mark(&name("a"), Status::Failed), Ok(vec![]));
    assert_eq!(plan.next_runnable(), Some(&name("b")));
}

#[test]
fn a_step_behind_a_cancelled_one_never_runs() {
    let mut plan = chain(Halt);
    assert_eq!(plan.mark(&name("a"), Status::Cancelled), Ok(vec![]));
    plan.mark(&name("d"), Status::Completed).expect("d ends");
    assert_eq!(plan.next_runnable(), None);
    assert!(plan.is_finished());
    let expected = [Status::Cancelled, Status::Pending, Status::Pending, Status::Completed];
    assert!(plan.steps().map(|(_, status)| status).eq(expected));
}

#[test]
fn an_end_is_final() {
    let all =
        [Status::Pending, Status::Running, Status::Completed, Status::Failed, Status::Cancelled];
    for from in [Status::Completed, Status::Failed, Status::Cancelled] {
        let mut plan = chain(Continue);
        plan.mark(&name("a"), from).expect("a ends");
        for to in all {
            let refused = MarkError::NotAllowed { name: name("a"), from, to };
            assert_eq!(plan.mark(&name("a"), to), Err(refused));
        }
    }
    let mut plan = chain(Halt);
    let unknown = MarkError::UnknownStep { name: name("zz") };
    assert_eq!(plan.mark(&name("zz"), Status::Running), Err(unknown));
}

#[test]
fn order_is_first_free_first_out() {
    let plan = graph(&[
        ("e", &["c", "c"], Halt),
        ("a", &[], Halt),
        ("c", &["a"], Halt),
        ("b", &[], Halt),
        ("d", &["a", "b"], Halt),
    ]);
    let order: Vec<_> = plan.expect("a plan").topological_order().into_iter().cloned().collect();
    assert_eq!(order, names(&["a", "b", "c", "d", "e"]));
}

#[test]
fn steps_that_are_no_plan_are_refused_in_a_fixed_order() {
    let unknown = GraphError::UnknownDependency { name: name("b"), unknown: name("z") };
    let cases: [(&[Row], GraphError); 4] = [
        (&[("a", &["z"], Halt), ("a", &[], Halt)], GraphError::Duplicate { name: name("a") }),
        (&[("a", &["a"], Halt), ("b", &["z"], Halt)], unknown),
        (
            &[("a", &["b"], Halt), ("b", &["a", "b"], Halt)],
            GraphError::SelfDependency { name: name("b") },
        ),
        (
            &[("a", &["c"], Halt), ("b", &[], Halt), ("c", &["a", "b"], Halt), ("d", &["c"], Halt)],
            GraphError::Cycle { remaining: names(&["a", "c", "d"]) },
        ),
    ];
    for (nodes, error) in cases {
        assert_eq!(graph(nodes), Err(error));
    }
    let cycle = GraphError::Cycle { remaining: names(&["a", "c"]) };
    assert_eq!(cycle.to_string(), "steps wait for each other: `a`, `c`");
}

#[test]
fn a_plan_has_at_most_sixty_four_steps() {
    let line = |count: usize| {
        let names: Vec<StepName> = (0..count).map(|n| name(&format!("s{n}"))).collect();
        let depends = |n: usize| names[n.saturating_sub(1)..n].to_vec();
        let node = |n: usize| Node { name: names[n].clone(), depends_on: depends(n), policy: Halt };
        Graph::new((0..count).map(node).collect())
    };
    let mut plan = line(STEPS_MAX).expect("a plan");
    assert_eq!(plan.topological_order().len(), STEPS_MAX);
    let cancelled = plan.mark(&name("s0"), Status::Failed).expect("fails");
    assert_eq!(cancelled.len(), STEPS_MAX - 1);
    assert_eq!(line(STEPS_MAX + 1), Err(GraphError::TooManySteps { count: STEPS_MAX + 1 }));
    assert!(line(0).expect("a plan").is_finished());
}

#[test]
fn names_of_steps_are_plain() {
    assert_eq!("".parse::<StepName>(), Err(StepNameError::Empty));
    assert_eq!("a".repeat(65).parse::<StepName>(), Err(StepNameError::TooLong { chars: 65 }));
    let bad = StepNameError::BadChar { name: "a b".to_owned(), char: ' ' };
    assert_eq!("a b".parse::<StepName>(), Err(bad));
    assert_eq!(name("Fix_the.docs-1").to_string(), "Fix_the.docs-1");
    assert_eq!(serde_json::to_string(&name("a")).expect("json"), r#""a""#);
    assert!(serde_json::from_str::<StepName>(r#""a/b""#).is_err());
}
