//! Answers of HTTP services: whatever a server says, each message of a request has one outcome, and no answer
//! is kept without a bound.

use inrush::destination::http::read_answer;

/// The first byte chooses the status and the content coding, the second is the number of messages; the rest is
/// the body.
pub fn run(data: &[u8]) {
    let [choice, messages, body @ ..] = data else { return };
    let code = [200, 400, 429, 503][usize::from(choice % 4)];
    let coding = [None, Some("gzip"), Some("deflate"), Some("br")][usize::from(choice / 4 % 4)];
    let messages = usize::from(*messages % 8) + 1;
    for own in read_answer(code, coding, body, messages) {
        assert_eq!(own, messages, "each has one");
    }
}
