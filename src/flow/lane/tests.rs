use std::cell::RefCell;

use super::*;
use crate::flow::credit::BATCH_CHARGE;
use crate::flow::{DropReason, Inbox};
use crate::message::batch::{ROW_CHARGE, Text};
use crate::message::{FieldName, Head, MESSAGE_MAX, MessageRef, Need, Segment, Stamp, ValueType};

fn lane(window: u32, bytes: u64) -> (Arc<Lane>, Inbox<Parcel>) {
    let inbox = Inbox::new();
    let credit = Arc::new(Credit::new(window, bytes));
    let lane = Lane::new(7, inbox.sender(), credit, Arc::default(), Arc::new(Pool::new()), None);
    (lane, inbox)
}

fn post(producer: &mut Producer, text: &[u8]) -> Result<(), Refused> {
    let need = Need { bytes: text.len(), ..Need::default() };
    producer.try_post(need, |row| row.payload_copy(text))
}

fn receive(inbox: &mut Inbox<Parcel>) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    while let Some(parcel) = inbox.try_recv() {
        assert_eq!(parcel.source(), 7);
        let (view, _ack) = parcel.open();
        texts.extend(view.messages().map(|message| message.text().to_vec()));
    }
    texts
}

/// Breaks without it: each message costs a batch and a wake-up.
#[test]
fn messages_pile_up_into_one_batch_until_the_worker_comes() {
    let (lane, mut inbox) = lane(100, 1 << 20);
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    for number in 0..10 {
        post(&mut producer, format!("m{number}").as_bytes()).unwrap();
    }
    let (view, ack) = inbox.try_recv().unwrap().open();
    assert_eq!(view.len(), 10);
    assert!(inbox.try_recv().is_none());
    post(&mut producer, b"next").unwrap();
    drop((view, ack));
    assert_eq!(receive(&mut inbox), [b"next"]);
    assert_eq!(lane.counters().totals().delivered, 11);
    producer.before_wait();
    assert_eq!(lane.credit().free_messages(), 100);
}

/// Breaks without it: a refused post takes credit with it, or a post after the stop is lost in silence.
#[test]
fn a_post_without_credit_takes_nothing_and_a_closed_lane_refuses() {
    let (lane, mut inbox) = lane(2, 1 << 20);
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    post(&mut producer, b"1").unwrap();
    post(&mut producer, b"2").unwrap();
    assert_eq!(post(&mut producer, b"3"), Err(Refused::NoCredit));
    assert_eq!(receive(&mut inbox), [b"1", b"2"]);
    post(&mut producer, b"3").unwrap();
    lane.close();
    assert_eq!(post(&mut producer, b"4"), Err(Refused::Closed));
    let need = Need { bytes: MESSAGE_MAX + 1, ..Need::default() };
    assert_eq!(producer.try_post(need, |_| {}), Err(Refused::TooLarge));
    drop(producer);
    let totals = lane.counters().totals();
    assert_eq!((totals.posted, totals.delivered, totals.in_flight), (3, 2, 1));
    assert_eq!(receive(&mut inbox), [b"3"], "what was posted before it was closed");
}

/// Breaks without it: messages that a stop leaves in an inbox are in flight for ever.
#[test]
fn an_unopened_parcel_is_counted_as_dropped() {
    let (lane, mut inbox) = lane(10, 1 << 20);
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    post(&mut producer, b"late").unwrap();
    drop(inbox.try_recv());
    let totals = lane.counters().totals();
    assert_eq!((totals.dropped_total(), totals.in_flight), (1, 0));
    assert_eq!(totals.dropped[DropReason::Stopped as usize], 1);
}

/// Breaks without it: a source that waits holds credit which others need.
#[test]
fn a_lease_is_given_back_before_a_wait() {
    let (lane, mut inbox) = lane(1600, 1 << 20);
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    post(&mut producer, b"x").unwrap();
    let charge = i64::try_from(1 + ROW_CHARGE).unwrap();
    assert_eq!(lane.credit().free_messages(), 1500, "a sixteenth of the messages");
    assert_eq!(lane.credit().free_bytes(), (1 << 20) - charge - (1 << 14), "a sixty-fourth of the bytes");
    producer.before_wait();
    assert_eq!(lane.credit().free_messages(), 1599);
    assert_eq!(lane.credit().free_bytes(), (1 << 20) - charge - BATCH_CHARGE as i64);
    receive(&mut inbox);
    assert_eq!(lane.credit().free_messages(), 1600);
    assert_eq!(lane.credit().free_bytes(), 1 << 20);
}

/// Breaks without it: producers that rest hold so much credit that those who post have none, or one that is
/// gone still counts.
#[test]
fn what_producers_take_ahead_is_shared_among_them() {
    let (lane, mut inbox) = lane(1600, 1 << 20);
    let mut producers: Vec<_> = (0..20).map(|_| lane.producer(Arc::new(Origin::named("s")))).collect();
    for producer in &mut producers {
        post(producer, b"x").unwrap();
    }
    assert_eq!(lane.credit().free_messages(), 1500, "five each, a sixteenth together");
    producers.truncate(2);
    assert_eq!(lane.credit().free_messages(), 1572, "a message each, and the rest of two leases");
    producers.iter_mut().for_each(Producer::before_wait);
    for producer in &mut producers {
        post(producer, b"x").unwrap();
    }
    assert_eq!(lane.credit().free_messages(), 1480, "two are left to share");
    drop(producers);
    receive(&mut inbox);
    assert_eq!(lane.credit().free_messages(), 1600);
}

/// Breaks without it: bytes taken ahead let more messages through than the bound says, or fewer.
#[test]
fn a_lease_of_bytes_neither_widens_nor_narrows_the_bound() {
    const EACH: u64 = 36 + ROW_CHARGE as u64;
    for bound in [1, EACH - 1, EACH, 10 * EACH, 1000 * EACH + 1, 10_000 * EACH] {
        let (lane, inbox) = lane(1_000_000, bound);
        let mut producer = lane.producer(Arc::new(Origin::named("s")));
        let mut posted = 0;
        loop {
            if producer.post_text_fast(&Head::default(), |_| (), &[b'x'; 36]) {
                posted += 1;
                continue;
            }
            let ordinary = post(&mut producer, &[b'x'; 36]);
            producer.allow_fast_posts(u32::MAX);
            match ordinary {
                Ok(()) => posted += 1,
                // What is left of the lease comes back before a wait.
                Err(Refused::NoCredit) if lane.credit().free_bytes() <= 0 => {
                    producer.before_wait();
                    if lane.credit().free_bytes() <= 0 {
                        break;
                    }
                }
                Err(refused) => panic!("{refused:?} after {posted} messages of a bound of {bound}"),
            }
        }
        let used = posted * EACH + inbox.len() as u64 * BATCH_CHARGE;
        assert!(used >= bound && used < bound + EACH + BATCH_CHARGE, "{used} of {bound} bytes");
    }
}

/// Breaks without it: a source with a small window stands still for a nap of its worker or its destination,
/// each window.
#[test]
fn half_a_window_is_urgent_and_ends_a_nap() {
    let mut inbox = Inbox::with_nap(std::time::Duration::from_secs(3600));
    let credit = Arc::new(Credit::new(160, 1 << 20));
    let lane = Lane::new(7, inbox.sender(), credit, Arc::default(), Arc::new(Pool::new()), None);
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    post(&mut producer, b"x").unwrap();
    let first = inbox.try_recv().unwrap();
    assert!(!first.is_urgent());
    std::thread::scope(|scope| {
        let napping = scope.spawn(|| inbox.wait(None));
        for _ in 1..80 {
            post(&mut producer, b"x").unwrap();
        }
        napping.join().unwrap();
    });
    assert!(first.is_urgent() && !first.is_open(), "taking it disturbs nobody");
    let second = inbox.try_recv().unwrap();
    assert!(second.is_urgent() && second.is_open());
    let mut messages = 0;
    for parcel in [first, second] {
        let (view, _ack) = parcel.open();
        messages += view.len();
    }
    assert_eq!((messages, lane.is_half_used()), (80, false));
}

/// Breaks without it: a source that ends a batch after each message fills the memory while its worker is busy
/// elsewhere.
#[test]
fn batches_that_nobody_opened_yet_are_bounded() {
    let (lane, inbox) = lane(1_000_000, 1 << 20);
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    while post(&mut producer, b"x").is_ok() {
        producer.close_batch();
    }
    let each = BATCH_CHARGE + 1 + ROW_CHARGE as u64;
    assert!(inbox.len() as u64 * each < (1 << 20) + each, "{} batches", inbox.len());
    drop((producer, inbox));
    assert_eq!((lane.credit().free_messages(), lane.credit().free_bytes()), (1_000_000, 1 << 20));
}

/// Breaks without it: messages are posted at once beyond the credit, the size of a batch or what was allowed,
/// or into a batch that was ended.
#[test]
fn what_is_allowed_at_once_is_covered() {
    let mut inbox = Inbox::new();
    let credit = Arc::new(Credit::new(160, 1 << 20));
    let lane = Lane::new(0, inbox.sender(), credit, Arc::default(), Arc::new(Pool::new()), Some(5));
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    let fast = |producer: &mut Producer, pri| {
        producer.post_text_fast(&Head::default(), |head| head.pri = pri, b"at once")
    };
    assert_eq!(producer.allow_fast_posts(9), 0, "there is no batch");
    post(&mut producer, b"one").unwrap();
    assert!(!fast(&mut producer, 0), "not allowed");
    assert_eq!((producer.allow_fast_posts(2), producer.forbid_fast_posts()), (2, 2));
    assert!(!fast(&mut producer, 0), "not allowed any more");
    assert_eq!(producer.allow_fast_posts(2), 2);
    assert!(fast(&mut producer, 0) && fast(&mut producer, 165));
    assert!(!fast(&mut producer, 0), "no more was allowed");
    assert_eq!(producer.allow_fast_posts(u32::MAX), 2, "a batch has five");
    producer.close_batch();
    assert!(!fast(&mut producer, 0), "it was ended");
    for _ in 4..10 {
        post(&mut producer, b"more").unwrap();
        producer.close_batch();
    }
    post(&mut producer, b"more").unwrap();
    assert_eq!(producer.allow_fast_posts(u32::MAX), 0, "a lease is of ten messages, and all ten are posted");
    lane.close();
    producer.allow_fast_posts(1);
    assert!(!fast(&mut producer, 0), "the lane is closed");
    let mut texts = Vec::new();
    while let Some(parcel) = inbox.try_recv() {
        let (view, _ack) = parcel.open();
        texts.extend(view.messages().map(|message| (message.text().to_vec(), message.pri())));
    }
    assert_eq!(texts[..3], [(b"one".to_vec(), 0), (b"at once".to_vec(), 0), (b"at once".to_vec(), 165)]);
    assert_eq!((texts.len(), lane.counters().totals().posted), (10, 10));
}

/// Breaks without it: a list wakes the worker with its first message, which then takes it in pieces; or it is
/// cut where credit that was taken ahead before ends.
#[test]
fn a_list_is_handed_over_whole() {
    let (lane, mut inbox) = lane(100_000, 1 << 26);
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    post(&mut producer, b"takes credit ahead").unwrap();
    assert_eq!(receive(&mut inbox).len(), 1);
    let texts: Vec<_> = (0..128).map(|number| format!("text {number}")).collect();
    let list = || texts.iter().map(String::as_bytes);
    assert_eq!(
        producer.post_texts_fast(&Head::default(), list()),
        128,
        "127 were left of what was taken ahead"
    );
    assert_eq!(inbox.len(), 1);
    assert!(list().eq(receive(&mut inbox)));
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            inbox.sleep(None);
            inbox
        });
        while !producer.lane().inbox.is_slept_on() {
            std::thread::yield_now();
        }
        assert_eq!(producer.post_texts_fast(&Head::default(), list()), 128);
        let mut inbox = receiver.join().unwrap();
        let parcel = inbox.try_recv().unwrap();
        assert!(!parcel.is_open(), "what has woken the worker is ended");
        let (view, _ack) = parcel.open();
        assert!(list().eq(view.messages().map(|message| message.text())));
    });
}

/// Breaks without it: the short way to post a text makes another message than the long one.
#[test]
fn a_plain_text_is_the_same_by_either_way() {
    let stamp = Stamp { unix_micros: 1_795_348_800_123_456, offset_seconds: -3600 };
    let mut head = Head::new(stamp, 1_795_348_800_123_999, 165);
    head.raw_size = 77;
    let texts: Vec<Vec<u8>> = (0..=130).chain([767, 10_000]).map(|len| vec![b'x'; len]).collect();
    let (lane, mut inbox) = lane(6400, 1 << 30);
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    post(&mut producer, b"opens a batch").unwrap();
    for (number, text) in texts.iter().enumerate() {
        let mut text = text.clone();
        text.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at + number) as u8);
        assert_eq!(producer.allow_fast_posts(1), 1);
        assert!(producer.post_text_fast(&head, |_| (), &text), "a text of {} bytes", text.len());
        let need = Need { bytes: text.len(), ..Need::default() };
        producer
            .try_post(need, |row| {
                row.payload_copy(&text);
                row.head(&head);
            })
            .unwrap();
    }
    let mut seen = Vec::new();
    while let Some(parcel) = inbox.try_recv() {
        let (view, _ack) = parcel.open();
        seen.extend(view.messages().filter(|message| message.text() != b"opens a batch").map(|message| {
            assert_eq!((message.stamp(), message.pri(), message.raw_size()), (stamp, 165, 77));
            assert_eq!(message.recvd().unix_micros, 1_795_348_800_123_999);
            message.text().to_vec()
        }));
    }
    assert_eq!(seen.len(), 2 * texts.len());
    assert!(seen.chunks(2).all(|pair| pair[0] == pair[1]), "each pair is of one text");
}

/// Breaks without it: a text that is viewed is another message by the short way than by the long one, takes
/// other credit, or its segment is made and lost where there is no place for it.
#[test]
fn a_view_is_the_same_by_either_way() {
    let mut head = Head::new(Stamp { unix_micros: 5, offset_seconds: 60 }, 6, 7);
    head.raw_size = 8;
    let texts: Vec<Vec<u8>> =
        (0..3000_usize).map(|number| number.to_string().repeat(200).into_bytes()).collect();
    let (lane, mut inbox) = lane(640_000, 1 << 30);
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    let (mut fast, mut made) = (0, 0);
    for text in &texts {
        let len = text.len() as u32;
        let segment = || Segment::heap(text.clone().into_boxed_slice());
        let counted = || {
            made += 1;
            segment()
        };
        if producer.post_view_fast(&head, |head| head.pri = 9, len, counted) {
            fast += 1;
        } else {
            let need = Need { segments: 1, viewed: text.len(), ..Need::default() };
            producer
                .try_post(need, |row| {
                    row.payload_adopt(segment());
                    row.head(&head);
                    row.pri(9);
                })
                .unwrap();
            producer.allow_fast_posts(100);
        }
    }
    assert!(fast > 2500 && fast == made, "{fast} at once, {made} segments made for them");
    producer.before_wait();
    let need = |text: &Vec<u8>| Need { segments: 1, viewed: text.len(), ..Need::default() }.charge();
    let charged = texts.iter().map(need).sum::<u64>() + inbox.len() as u64 * BATCH_CHARGE;
    assert_eq!(lane.credit().free_bytes(), (1 << 30) - charged as i64);
    let mut seen = Vec::new();
    while let Some(parcel) = inbox.try_recv() {
        let (view, _ack) = parcel.open();
        seen.extend(view.messages().map(|message| {
            assert_eq!((message.stamp(), message.pri(), message.raw_size()), (head.stamp(), 9, 8));
            assert_eq!((message.recvd().unix_micros, message.pairs().count()), (6, 0));
            message.text().to_vec()
        }));
    }
    assert_eq!(seen, texts);
    assert_eq!(lane.counters().totals().bytes, texts.iter().map(|text| text.len() as u64).sum::<u64>());
    assert_eq!(lane.credit().free_bytes(), 1 << 30);
}

#[derive(Debug)]
struct Shouting;

impl LateParser for Shouting {
    fn parse(&self, selection: &mut Selection) -> LateParsed {
        selection.parse_late(|text, _, row| {
            row.field(FieldName::Program, Text::Copy(b""), ValueType::String, Text::Copy(b"sh"));
            row.message(Text::Copy(text.to_ascii_uppercase().as_slice()));
            assert!(!text.starts_with(b"bad"), "{} bytes are bad", text.len());
        })
    }
}

/// The next batch, parsed.
fn parsed(inbox: &mut Inbox<Parcel>, report: &dyn Fn(&str)) -> (Selection, Ack) {
    let parcel = inbox.try_recv().unwrap();
    let lane = Arc::clone(parcel.lane());
    let (mut selection, ack) = parcel.open();
    lane.parse(&mut selection, &ack, report);
    (selection, ack)
}

/// Breaks without it: a text is posted that nobody will parse, one passes another that was posted before it,
/// or credit is lost where a message turns out larger than it was charged for.
#[test]
fn unparsed_texts_are_parsed_in_their_place() {
    let (lane, mut inbox) = lane(6400, 1 << 20);
    let mut producer = lane.producer(Arc::new(Origin::named("s")));
    let head = Head::default();
    post(&mut producer, b"opens a batch").unwrap();
    producer.allow_fast_posts(2);
    assert!(!producer.post_unparsed_fast(&head, b"nobody parses it"));
    let (parser, other): (Arc<dyn LateParser>, Arc<dyn LateParser>) =
        (Arc::new(Shouting), Arc::new(Shouting));
    assert!(lane.parse_late(&parser) && lane.parse_late(&parser) && !lane.parse_late(&other));
    let long = vec![b'x'; 700];
    assert!(producer.post_unparsed_fast(&head, b"one"));
    post(&mut producer, b"two").unwrap();
    producer.allow_fast_posts(1);
    assert!(producer.post_unparsed_fast(&head, &long));
    producer.before_wait();
    let left = lane.credit().free_bytes();
    let (view, ack) = parsed(&mut inbox, &|text: &str| panic!("{text}"));
    let texts: Vec<_> = view.messages().map(|message| message.text().to_vec()).collect();
    assert_eq!(texts, [&b"opens a batch"[..], b"ONE", b"two", &long.to_ascii_uppercase()]);
    // Both have one of the usual fields, a value that stands there once, and a text.
    let more = 2 + 3 + 700 - 2 * 6 * size_of::<crate::message::Field>();
    assert_eq!(
        lane.credit().free_bytes(),
        left - more as i64,
        "what it became beyond what it was charged for"
    );
    assert_eq!(
        lane.credit().free_bytes(),
        (1 << 20) - (view.batch().charge() + more as u64 + BATCH_CHARGE) as i64
    );
    assert_eq!(lane.counters().totals().bytes, 13 + 3 + 3 + 700, "what was posted");
    drop((view, ack));
    assert_eq!((lane.credit().free_bytes(), lane.credit().free_messages()), (1 << 20, 6400));
    assert_eq!(lane.counters().totals().delivered, 4);
}

/// Breaks without it: a parser that panics ends its worker, and with it every source of that worker; or a
/// message is lost, or has what the one before it was parsed to, or nobody hears of it.
#[test]
fn a_message_that_the_parser_panics_at_goes_on_as_it_came() {
    let (lane, mut inbox) = lane(6400, 1 << 20);
    let mut producer = lane.producer(Arc::new(Origin::named("s_bad")));
    post(&mut producer, b"opens a batch").unwrap();
    assert!(lane.parse_late(&(Arc::new(Shouting) as Arc<dyn LateParser>)));
    assert_eq!(producer.allow_fast_posts(5), 5);
    for text in [&b"one"[..], b"bad", b"two", b"bad too", b"bad\xff"] {
        assert!(producer.post_unparsed_fast(&Head::default(), text));
    }
    producer.before_wait();
    let said = RefCell::new(Vec::new());
    let (view, ack) = parsed(&mut inbox, &|text: &str| said.borrow_mut().push(text.to_owned()));
    let shown = |message: MessageRef<'_>| (message.text().to_vec(), message.pairs().count());
    let texts: Vec<_> = view.messages().map(shown).collect();
    let expected = [(&b"opens a batch"[..], 0), (b"ONE", 1), (b"bad", 0), (b"TWO", 1), (b"bad too", 0)];
    assert_eq!(texts[..5], expected.map(|(text, pairs)| (text.to_vec(), pairs)));
    assert_eq!(texts[5..], [(b"bad\xff".to_vec(), 0)]);
    assert_eq!(
        said.borrow()[0],
        "source s_bad: fault in the engine: the parser failed at message 3 of 6 in a batch, which begins with \"bad\": \
         3 bytes are bad; it goes on as it came, unparsed"
    );
    assert_eq!(said.borrow().len(), 3);
    drop((view, ack));
    let totals = lane.counters().totals();
    assert_eq!((totals.posted, totals.delivered, totals.in_flight), (6, 6, 0));
    drop(producer);
    assert_eq!((lane.credit().free_bytes(), lane.credit().free_messages()), (1 << 20, 6400));
}

/// Breaks without it: producers side by side lose, double or overtake messages.
#[test]
fn many_producers_keep_their_order_and_the_sum() {
    const EACH: u32 = 20_000;
    let (lane, mut inbox) = lane(5000, 1 << 20);
    let mut next = [0; 3];
    std::thread::scope(|scope| {
        for who in 0..next.len() {
            let mut producer = lane.producer(Arc::new(Origin::named("s")));
            scope.spawn(move || {
                let mut number = 0;
                while number < EACH {
                    if who > 0 {
                        let texts: Vec<_> =
                            (number..EACH).take(10).map(|number| format!("{who} {number}")).collect();
                        let texts = texts.iter().map(String::as_bytes);
                        number += producer.post_texts_fast(&Head::default(), texts);
                        if number == EACH {
                            break;
                        }
                    }
                    let text = format!("{who} {number}");
                    while post(&mut producer, text.as_bytes()) == Err(Refused::NoCredit) {
                        producer.before_wait();
                        producer.lane().credit().wait(None);
                    }
                    if number % 100 == 99 {
                        producer.close_batch();
                    }
                    number += 1;
                }
            });
        }
        while next.iter().any(|count| *count < EACH) {
            inbox.wait(None);
            for text in receive(&mut inbox) {
                let text = String::from_utf8(text).unwrap();
                let (who, number) = text.split_once(' ').unwrap();
                let expected = &mut next[who.parse::<usize>().unwrap()];
                assert_eq!(number.parse::<u32>().unwrap(), *expected);
                *expected += 1;
            }
        }
    });
    let totals = lane.counters().totals();
    assert_eq!(totals.posted, 3 * u64::from(EACH));
    assert_eq!(totals.posted, totals.delivered + totals.dropped_total() + totals.in_flight);
    assert_eq!((totals.in_flight, lane.credit().free_messages()), (0, 5000));
    assert_eq!(lane.credit().free_bytes(), 1 << 20);
}
