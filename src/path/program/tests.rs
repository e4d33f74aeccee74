//! Programs, and what their forks reach.

use super::*;

fn send(destination: usize) -> Item {
    Item::Send(SendTo { destination, flow_control: false, path: None })
}

fn fork(branches: Vec<(Vec<Item>, &str)>) -> Item {
    let branch = |(items, flags): (Vec<Item>, &str)| Choice {
        condition: None,
        items,
        is_final: flags.contains("final"),
        is_fallback: flags.contains("fallback"),
        path: None,
    };
    Item::Fork(branches.into_iter().map(branch).collect())
}

fn sends(items: Vec<Item>) -> Option<Vec<usize>> {
    let program = Program::new(items, &["a", "b", "c", "d"]);
    let id = |way: &SendTo| program.destinations()[way.destination].clone();
    program.sends().map(|sends| sends.iter().map(|way| usize::from(id(way).as_bytes()[0] - b'a')).collect())
}

/// Breaks without it: a path without a filter costs what one with a filter does.
#[test]
fn what_does_not_depend_on_the_message_is_known_before() {
    assert_eq!(sends(vec![]), Some(vec![]));
    assert_eq!(sends(vec![send(1), send(0)]), Some(vec![1, 0]));
    assert_eq!(sends(vec![send(1), send(1)]), None, "the copies follow each other");
    let inner = fork(vec![(vec![send(0)], ""), (vec![send(1)], "final"), (vec![send(2)], "")]);
    assert_eq!(sends(vec![inner.clone()]), Some(vec![0, 1]));
    assert_eq!(sends(vec![inner.clone(), send(3)]), None, "two copies of each message go on");
    let fallback =
        fork(vec![(vec![send(0)], "fallback"), (vec![inner], ""), (vec![send(3)], "final fallback")]);
    assert_eq!(sends(vec![fallback]), Some(vec![0, 1]));
    // A fork without branches matches nothing, and what comes behind it gets nothing.
    let nothing = fork(vec![]);
    assert_eq!(sends(vec![nothing.clone(), send(0)]), Some(vec![]));
    let either = fork(vec![(vec![nothing], "final"), (vec![send(2)], "fallback")]);
    assert_eq!(sends(vec![either]), None);
}
