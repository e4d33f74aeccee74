//! The commits of a consumer.

use std::ptr::{self, NonNull};

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;

use super::error_of;

/// Commits the offsets of `list` for a consumer; the answer comes to it as an event, which the commits of its own
/// crate do without.
///
/// # Errors
/// The offsets cannot be committed at all.
pub(crate) fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
) -> KafkaResult<()> {
    let client = consumer.client().native_ptr();
    // SAFETY: the consumer is alive; null where it is in no group.
    let queue = unsafe { sys::rd_kafka_queue_get_consumer(client) };
    let Some(queue) = NonNull::new(queue) else {
        return Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::UnknownGroup));
    };
    // SAFETY: all of them are alive; librdkafka copies the list, and keeps a reference of its own to the queue.
    let code =
        unsafe { sys::rd_kafka_commit_queue(client, list.ptr(), queue.as_ptr(), None, ptr::null_mut()) };
    // SAFETY: one reference, which is not used any more.
    unsafe { sys::rd_kafka_queue_destroy(queue.as_ptr()) };
    error_of(code).map_or(Ok(()), |code| Err(KafkaError::ConsumerCommit(code)))
}
