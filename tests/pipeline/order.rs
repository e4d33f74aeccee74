//! Many producers, many lanes, many branches.

use crate::rig::Rig;
use inrush::message::batch::Text;
use inrush::message::{FieldName, Need, ValueType};

/// Breaks without it: batches of one thread overtake each other, or those of two are mixed up.
#[test]
fn every_producer_of_every_lane_keeps_its_order() {
    const EACH: u32 = 4000;
    let rig = Rig::new(
        r#"
        source a { python(class("A") log-iw-size(500)); };
        source b { python(class("B") log-iw-size(70)); };
        log { source(a); source(b); destination { file("DIR/out" template("$SOURCE $MSG\n")); }; flags(flow-control); };
        "#,
    );
    std::thread::scope(|scope| {
        for (source, who) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)] {
            let mut poster = rig.poster(source);
            scope.spawn(move || {
                for number in 0..EACH {
                    poster.post(format!("{who} {number}").as_bytes());
                    if number % (97 + who) == 0 {
                        poster.producer.close_batch();
                    }
                }
            });
        }
    });
    rig.wait_idle();
    let lines = rig.lines("out");
    assert_eq!(lines.len() as u32, 5 * EACH);
    for who in ["a 0 ", "a 1 ", "a 2 ", "b 0 ", "b 1 "] {
        let got = lines.iter().filter_map(|line| line.strip_prefix(who)?.parse::<u32>().ok());
        assert!(got.eq(0..EACH), "the order of {who}");
    }
    rig.finish(&[3 * u64::from(EACH), 2 * u64::from(EACH)]);
}

/// Breaks without it: a second destination takes messages from the first, or they are counted twice.
#[test]
fn every_destination_of_a_path_gets_every_message_once() {
    let rig = Rig::new(
        r#"
        source s { python(class("A") log-iw-size(100)); };
        log { source(s); destination { file("DIR/x" template("$MSG\n")); file("DIR/y" template("$MSG\n")); }; flags(flow-control); };
        log { source(s); destination { file("DIR/z" template("$MSG\n")); }; };
        "#,
    );
    let mut poster = rig.poster(0);
    for number in 0..5000 {
        poster.post(number.to_string().as_bytes());
    }
    let expected: Vec<_> = (0..5000).map(|number| number.to_string()).collect();
    rig.wait_idle();
    for name in ["x", "y", "z"] {
        assert_eq!(rig.lines(name), expected, "{name}");
    }
    drop(std::mem::replace(&mut poster.producer, rig.poster(0).producer));
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: the edges of a block: nothing in it, more than fits, more fields than a batch has.
#[test]
fn messages_of_every_size_and_with_many_fields_arrive_whole() {
    let rig = Rig::new(
        r#"
        source s { python(class("A")); };
        log { source(s); destination { file("DIR/out" template("[$MSG] ${first:-} ${last:-}\n")); }; flags(flow-control); };
        "#,
    );
    let mut poster = rig.poster(0);
    let sizes = [0, 1, 63, 64, 65, 4095, 4096, 65_535, 65_536, 65_537, 1 << 20, 9 << 20];
    for size in sizes {
        poster.post(&vec![b'x'; size]);
        poster.post(b"");
    }
    let names: Vec<String> = (0..10_000).map(|number| format!("f{number}")).collect();
    let names = ["first"].into_iter().chain(names.iter().map(String::as_str)).chain(["last"]);
    let bytes = names.clone().map(|name| name.len() + 1).sum();
    let need = Need { bytes, fields: names.clone().count(), ..Need::default() };
    poster
        .try_post_with(need, |row| {
            row.payload_copy(b"");
            for name in names.clone() {
                let value = if name == "last" { b"2" } else { b"1" };
                let name = Text::Copy(name.as_bytes());
                row.field(FieldName::Text, name, ValueType::String, Text::Copy(value));
            }
        })
        .unwrap();
    rig.wait_idle();
    let mut expected = Vec::new();
    for size in sizes {
        expected.push(format!("[{}]  ", "x".repeat(size)));
        expected.push("[]  ".to_owned());
    }
    expected.push("[] 1 2".to_owned());
    assert!(rig.lines("out") == expected, "too long to show");
    poster.producer.before_wait();
    rig.finish_delivered(&[&poster]);
}
