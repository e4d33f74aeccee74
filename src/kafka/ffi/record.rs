//! Records as the functions of librdkafka take them.

use std::ffi::c_void;
use std::ptr;

use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaRespErr;

use super::UNASSIGNED;
use crate::kafka::records::{Record, Records};

/// `record` for a call that sends many. Its value is where the records have it, and its key is copied.
pub(super) fn native(records: &Records, record: &Record, number: u64) -> sys::rd_kafka_message_t {
    let (value, key) = (records.value(record), records.key(record));
    sys::rd_kafka_message_t {
        err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: ptr::null_mut(),
        partition: UNASSIGNED,
        payload: value.as_ptr().cast_mut().cast(),
        len: value.len(),
        key: key.map_or(ptr::null_mut(), |key| key.as_ptr().cast_mut().cast()),
        key_len: key.map_or(0, <[u8]>::len),
        offset: 0,
        _private: number as *mut c_void,
    }
}

/// `record` for a call that sends one with its headers, to the topic `handle`.
pub(super) fn fields(
    records: &Records,
    record: &Record,
    number: u64,
    handle: *mut sys::rd_kafka_topic_t,
) -> Vec<sys::rd_kafka_vu_t> {
    use sys::rd_kafka_vtype_t as Kind;
    use sys::rd_kafka_vu_s__bindgen_ty_1 as Content;
    let field = |vtype, u| sys::rd_kafka_vu_t { vtype, u };
    let memory = |bytes: &[u8]| Content {
        mem: sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
            ptr: bytes.as_ptr().cast_mut().cast(),
            size: bytes.len(),
        },
    };
    let mut fields = vec![
        field(Kind::RD_KAFKA_VTYPE_RKT, Content { rkt: handle }),
        field(Kind::RD_KAFKA_VTYPE_MSGFLAGS, Content { i: 0 }),
        field(Kind::RD_KAFKA_VTYPE_OPAQUE, Content { ptr: number as *mut c_void }),
        field(Kind::RD_KAFKA_VTYPE_VALUE, memory(records.value(record))),
    ];
    if let Some(key) = records.key(record) {
        fields.push(field(Kind::RD_KAFKA_VTYPE_KEY, memory(key)));
    }
    for (name, value) in records.headers(record) {
        let header = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 {
            name: name.as_ptr(),
            val: value.as_ptr().cast(),
            size: value.len() as isize,
        };
        fields.push(field(Kind::RD_KAFKA_VTYPE_HEADER, Content { header }));
    }
    fields
}
