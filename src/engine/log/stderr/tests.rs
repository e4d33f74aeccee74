use std::fs::File;
use std::io::{BufRead, BufReader};

use super::*;

/// A queue over a pipe of the smallest size, and the end that is read.
fn over_a_pipe() -> (&'static Stderr, File) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, PIPE_BUF).unwrap();
    let stderr = Box::leak(Box::new(Stderr::over(writer.as_fd())));
    (stderr, File::from(reader))
}

fn lines(reader: File) -> impl Iterator<Item = String> {
    BufReader::new(reader).lines().map(Result::unwrap)
}

/// Without it: lines come in another order, or in pieces, when several threads log and the reader is
/// slow.
#[test]
fn lines_of_each_thread_come_whole_and_in_order() {
    let (stderr, reader) = over_a_pipe();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            std::thread::spawn(move || {
                for number in 0..5_000 {
                    stderr.push(format!("{thread} {number} {}\n", "x".repeat(number % 100)));
                }
            })
        })
        .collect();
    let mut next = [0; 4];
    for line in lines(reader).take(20_000) {
        let mut words = line.split(' ');
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        let (thread, number) = (number(), number());
        assert_eq!(number, next[thread]);
        assert_eq!(words.next().unwrap().len(), number % 100);
        next[thread] += 1;
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((next, stderr.lost()), ([5_000; 4], 0));
}

/// Without it: a stderr that nobody reads holds up whoever logs, or lines are missing without a word.
#[test]
fn lines_that_are_not_taken_are_counted_and_told() {
    let (stderr, reader) = over_a_pipe();
    let line = format!("{}\n", "y".repeat(999));
    let all = 3 * CAPACITY / line.len();
    for _ in 0..all {
        stderr.push(line.clone());
    }
    let lost = stderr.lost();
    assert!(lost > 0);
    stderr.flush(Duration::from_secs(60));
    let mut reader = lines(reader);
    let written = reader.by_ref().take(all - lost as usize);
    assert!(written.into_iter().all(|written| written.len() == 999));
    let told = format!("warning: {lost} lines of the log were not written: stderr did not take them");
    assert!(reader.next().unwrap().ends_with(&told));
    stderr.push("and on\n".to_owned());
    assert_eq!(reader.next().unwrap(), "and on");
    assert_eq!(stderr.lost(), lost);
}

/// Without it: lines into a full disk or a closed pipe are missing without a word.
#[test]
fn lines_that_fail_are_counted_and_told() {
    let (stderr, reader) = over_a_pipe();
    drop(reader);
    for _ in 0..3 {
        stderr.push("gone\n".to_owned());
        stderr.flush(Duration::from_secs(60));
    }
    assert_eq!(stderr.lost(), 3);
    let mut queue = stderr.queue();
    assert_eq!(queue.failed, 3, "what tells of lost lines is none itself");
    queue.put("next\n".to_owned(), 1, false);
    let batch = queue.take().unwrap();
    drop(queue);
    assert!(batch.text.contains("warning: 3 lines of the log were not written"), "{}", batch.text);
    assert!(batch.text.ends_with("\nnext\n"));
}

/// Without it: the log goes into a file of data that got the number of a descriptor which somebody
/// closed.
#[test]
fn another_file_under_the_same_number_gets_nothing() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let (other_reader, other) = rustix::pipe::pipe().unwrap();
    let mut stream = Stream::of(writer.as_fd()).unwrap();
    assert!(stream.current().is_some());
    stream.own = other;
    assert!(stream.current().is_none());
    drop((reader, other_reader));
}

/// Without it: the live line stays among the lines of the log, or is lost.
#[test]
fn lines_go_above_the_foot() {
    let mut queue = Queue { foot: "foot".to_owned(), ..Queue::default() };
    let next = |queue: &mut Queue| {
        let batch = queue.take().unwrap();
        let text = batch.text.clone();
        queue.note(batch, Ok(()));
        text
    };
    assert_eq!(next(&mut queue), "foot");
    assert!(queue.take().is_none());
    queue.put("line\n".to_owned(), 1, false);
    assert_eq!(next(&mut queue), "\r\x1b[Kline\nfoot");
    queue.foot.clear();
    assert_eq!(next(&mut queue), "\r\x1b[K");
    assert!(queue.is_idle());
}
