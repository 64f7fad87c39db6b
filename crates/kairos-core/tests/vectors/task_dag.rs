//! `task_dag.json`: graphs, marks, and the hashes the predecessor kept of a plan's steps.
//!
//! A step's tool, arguments and error text are not the graph's here; the hashes over them only
//! exist in the predecessor's records, so this test makes them from the public canonical text.
//! The recorded `errors` map repeats the marks' own texts and is not compared.

use kairos_core::canonical::Tree;
use kairos_core::plan::graph::{
    FailurePolicy, Graph, GraphError, MarkError, Node, Status, StepName,
};
use serde_json::{Map, Value, json};

use crate::canonical::without_volatile;
use crate::harness::{Outcome, Rule, run};

static BEGINS_PENDING: Rule = Rule {
    id: "DESIGN-8",
    reason: "a plan is accepted with every step pending; a step cannot be declared failed",
};

#[test]
fn task_dag() {
    run("task_dag.json", |case| {
        let input = &case["input"];
        let nodes = input["nodes"].as_array().expect("nodes");
        let ours = replay(input, nodes).unwrap_or_else(|error| json!({"error": error}));
        let mut recorded = case["expected"].clone();
        if let Some(fields) = recorded.as_object_mut() {
            fields.remove("errors");
        }
        match Outcome::equal(&ours, &recorded) {
            Outcome::Mismatch(_) if nodes.iter().any(|node| node["status"] == "failed") => {
                Outcome::Deviation(&BEGINS_PENDING)
            }
            outcome => outcome,
        }
    });
}

/// Everything the predecessor recorded of one graph, or its error.
fn replay(input: &Value, specs: &[Value]) -> Result<Value, Value> {
    let nodes = specs.iter().map(node).collect::<Result<Vec<_>, _>>()?;
    let mut graph = Graph::new(nodes).map_err(|error| graph_error(&error))?;
    for spec in specs {
        let to = status(&spec["status"]).unwrap_or(Status::Pending);
        if to != Status::Pending {
            let _ = graph.mark(&name(&spec["id"])?, to);
        }
    }
    let order: Vec<String> = graph.topological_order().iter().map(ToString::to_string).collect();
    let steps = order.iter().enumerate().map(|(at, id)| plan_step(input, specs, at, id));
    let initial = json!({
        "topological_order": order,
        "next_runnable": next(&graph),
        "plan_steps": steps.collect::<Vec<_>>(),
    });
    let marks = input["marks"].as_array().expect("marks").iter();
    let steps: Vec<Value> = marks.map(|mark| marked(&mut graph, mark)).collect();
    Ok(json!({"initial": initial, "steps": steps}))
}

fn marked(graph: &mut Graph, mark: &Value) -> Value {
    let result = match (name(&mark["id"]), status(&mark["status"])) {
        (Ok(name), Some(to)) => match graph.mark(&name, to) {
            Ok(_) => json!({"ok": to.to_string()}),
            Err(error) => json!({"error": mark_error(&error)}),
        },
        // No such status: it cannot even be asked for here.
        (_, None) => {
            let word = mark["status"].as_str().expect("a status");
            json!({"error": error("InvalidTransitionError", &format!("invalid status: {word}"))})
        }
        (Err(error), _) => json!({"error": error}),
    };
    let statuses: Map<String, Value> =
        graph.steps().map(|(name, status)| (name.to_string(), status.to_string().into())).collect();
    let over = |status| matches!(status, Status::Completed | Status::Failed | Status::Cancelled);
    let all_over = graph.steps().all(|(_, status)| over(status));
    assert!(graph.is_finished() || !all_over, "a graph that is over is finished");
    json!({
        "result": result,
        "statuses": statuses,
        "next_runnable": next(graph),
        "all_completed": all_over,
    })
}

fn node(spec: &Value) -> Result<Node, Value> {
    if !spec.is_object() {
        return Err(error("InvalidNodeError", "node spec must be a Hash"));
    }
    let name = name(&spec["id"])?;
    let policy = match &spec["failure_policy"] {
        Value::Null => FailurePolicy::default(),
        word => serde_json::from_value(word.clone()).map_err(|_| {
            let word = word.as_str().unwrap_or_default();
            error("InvalidNodeError", &format!("node {name}: invalid failure_policy :{word}"))
        })?,
    };
    let depends_on = dependencies(spec).iter().map(self::name).collect::<Result<_, _>>()?;
    Ok(Node { name, depends_on, policy })
}

/// The predecessor takes a single name for a list of one.
fn dependencies(spec: &Value) -> Vec<Value> {
    match &spec["depends_on"] {
        Value::Null => vec![],
        Value::Array(names) => names.clone(),
        single => vec![single.clone()],
    }
}

fn name(text: &Value) -> Result<StepName, Value> {
    let parsed = text.as_str().unwrap_or_default().parse();
    parsed.map_err(|_| error("InvalidNodeError", "node id required"))
}

fn status(word: &Value) -> Option<Status> {
    let all =
        [Status::Pending, Status::Running, Status::Completed, Status::Failed, Status::Cancelled];
    all.into_iter().find(|status| *word == status.to_string())
}

fn next(graph: &Graph) -> Option<String> {
    graph.next_runnable().map(ToString::to_string)
}

fn plan_step(input: &Value, specs: &[Value], order: usize, id: &str) -> Value {
    let spec = specs.iter().find(|spec| spec["id"] == id).expect("a step of the plan");
    let hash = |value: Value| {
        let tree = Tree::parse(&value.to_string()).expect("JSON");
        format!("sha256-{}", without_volatile(tree).digest())
    };
    let args = if spec["args"].is_null() { json!({}) } else { spec["args"].clone() };
    let cycle = &input["cycle"];
    json!({
        "step_id": id,
        "tool": spec["tool"],
        "params_hash": hash(json!({
            "node_id": id, "tool": spec["tool"], "args": args, "depends_on": dependencies(spec),
            "order": order, "cycle": cycle, "plan_id": input["plan_id"],
        })),
        "pre_hash": hash(json!({"node": id, "cycle": cycle, "state": "pre"})),
        "expected_post_hash": hash(json!({"node": id, "cycle": cycle, "state": "post"})),
    })
}

fn error(class: &str, message: &str) -> Value {
    json!({"class": format!("TaskDag::{class}"), "message": message})
}

fn graph_error(e: &GraphError) -> Value {
    match e {
        GraphError::UnknownDependency { name, unknown } => error(
            "InvalidNodeError",
            &format!("node {name}: depends_on references unknown node {unknown}"),
        ),
        GraphError::SelfDependency { name } => {
            error("CyclicGraphError", &format!("node {name}: self-dependency"))
        }
        GraphError::Cycle { remaining } => {
            let ids: Vec<String> = remaining.iter().map(ToString::to_string).collect();
            error("CyclicGraphError", &format!("cycle detected involving: {ids:?}"))
        }
        GraphError::Duplicate { name } => {
            error("InvalidNodeError", &format!("duplicate node id: {name}"))
        }
        GraphError::TooManySteps { .. } => error("InvalidNodeError", "too many nodes"),
    }
}

fn mark_error(e: &MarkError) -> Value {
    match e {
        MarkError::UnknownStep { name } => {
            error("InvalidNodeError", &format!("unknown node: {name}"))
        }
        MarkError::NotAllowed { name, from, to } => {
            error("InvalidTransitionError", &format!("node {name}: {from} -> {to} not allowed"))
        }
    }
}
