//! The values of macros: what a draft's text, time and priority say in other words.
//!
//! [`macro_value`] is the one way in. What only an engine knows (counters, its own host, the addresses of a connection)
//! is empty in a draft.

use pyo3::prelude::*;

use super::Draft;
use super::names::{CLOCKS, MACROS, TIME_PARTS};
use crate::message::{FieldName, Stamp, ValueType};
use crate::python::clock;
use crate::syslog::names::{facility_name, facility_of, severity_name, severity_of};
use crate::syslog::timestamp::{
    Civil, month_abbreviation, write_bsd, write_full, write_offset, write_rfc3339, write_unix,
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The type and the text of the macro called `name`, or `None` when there is no such macro. Runs no Python code.
pub fn macro_value(py: Python<'_>, draft: &Draft, name: &str) -> Option<(ValueType, Vec<u8>)> {
    if MACROS.binary_search(&name).is_ok() {
        return Some(plain(draft, name));
    }
    let (clock, part) =
        CLOCKS.iter().find_map(|clock| Some((*clock, name.strip_prefix(clock)?))).unwrap_or(("S_", name));
    TIME_PARTS.binary_search(&part).ok()?;
    let stamp = match clock {
        "S_" => draft.stamp,
        "R_" => {
            let offset_seconds = clock::local_offset(py, draft.recvd_micros);
            Stamp { unix_micros: draft.recvd_micros, offset_seconds }
        }
        _ => clock::now(py),
    };
    Some(time(part, stamp))
}

fn plain(draft: &Draft, name: &str) -> (ValueType, Vec<u8>) {
    let (facility, severity) = (facility_of(draft.pri), severity_of(draft.pri));
    let text = |text: String| (ValueType::String, text.into_bytes());
    let number = |number: u64| (ValueType::Integer, number.to_string().into_bytes());
    let known = |id, value_type| {
        draft.known(id).map_or((ValueType::String, Vec::new()), |value| (value_type, value.to_vec()))
    };
    match name {
        "PRI" => number(draft.pri.into()),
        "FACILITY_NUM" => number(facility.into()),
        "LEVEL_NUM" | "SEVERITY_NUM" | "PRIORITY_NUM" => number(severity.into()),
        "FACILITY" => {
            let name = u8::try_from(facility).ok().and_then(facility_name);
            text(name.map_or_else(|| format!("{facility:x}"), str::to_owned))
        }
        "LEVEL" | "SEVERITY" | "PRIORITY" => text(severity_name(severity).unwrap_or_default().to_owned()),
        "TAG" => text(format!("{:02x}", draft.pri)),
        "TAGS" => (ValueType::List, Vec::new()),
        "MSGHDR" => (ValueType::String, header(draft)),
        "SDATA" => (ValueType::String, sdata(draft)),
        "RAWMSG_SIZE" => number(draft.raw_size.into()),
        "SOURCEIP" | "PEERIP" => known(FieldName::SourceIp, ValueType::String),
        "SOURCEPORT" | "PEERPORT" => known(FieldName::SourcePort, ValueType::Integer),
        _ => text(String::new()),
    }
}

/// `program[pid]: `, as it was received or as it would be written.
fn header(draft: &Draft) -> Vec<u8> {
    if let Some(received) = draft.known(FieldName::LegacyMsgHdr) {
        return received.to_vec();
    }
    let mut out = Vec::new();
    let program = draft.known(FieldName::Program).unwrap_or_default();
    if !program.is_empty() {
        out.extend_from_slice(program);
        let pid = draft.known(FieldName::Pid).unwrap_or_default();
        if !pid.is_empty() {
            out.push(b'[');
            out.extend_from_slice(pid);
            out.push(b']');
        }
        out.extend_from_slice(b": ");
    }
    out
}

/// `[id name="value" …][…]`, escaped as RFC 5424 §6.3.3 says.
fn sdata(draft: &Draft) -> Vec<u8> {
    let mut out = Vec::new();
    let mut open = false;
    for field in draft.fields() {
        let value = draft.bytes(&field.value);
        match field.id {
            FieldName::SdId => {
                out.extend_from_slice(if open { b"][" } else { b"[" });
                out.extend_from_slice(value);
                open = true;
            }
            FieldName::SdParam => {
                out.push(b' ');
                out.extend_from_slice(draft.bytes(&field.name));
                out.extend_from_slice(b"=\"");
                for byte in value {
                    if matches!(byte, b'"' | b'\\' | b']') {
                        out.push(b'\\');
                    }
                    out.push(*byte);
                }
                out.push(b'"');
            }
            _ => {}
        }
    }
    if open {
        out.push(b']');
    }
    out
}

fn time(part: &str, stamp: Stamp) -> (ValueType, Vec<u8>) {
    let civil = stamp.civil();
    let mut out = Vec::new();
    match part {
        "DATE" | "STAMP" => write_bsd(&civil, 0, &mut out),
        "FULLDATE" => write_full(&civil, 0, &mut out),
        "ISODATE" => write_rfc3339(&civil, stamp.offset_seconds, 0, &mut out),
        "TZ" | "TZOFFSET" => write_offset(stamp.offset_seconds, &mut out),
        "UNIXTIME" => {
            write_unix(stamp.unix_micros, 0, &mut out);
            return (ValueType::Datetime, out);
        }
        "MONTH_ABBREV" => out.extend_from_slice(month_abbreviation(civil.month)),
        "MONTH_NAME" => out.extend_from_slice(MONTHS[usize::from(civil.month) - 1].as_bytes()),
        "WEEK_DAY_NAME" => out.extend_from_slice(DAYS[usize::from(civil.weekday)].as_bytes()),
        "WEEK_DAY_ABBREV" | "WEEKDAY" => {
            out.extend_from_slice(&DAYS[usize::from(civil.weekday)].as_bytes()[..3]);
        }
        "AMPM" => out.extend_from_slice(if civil.hour < 12 { b"AM" } else { b"PM" }),
        _ => return (ValueType::Integer, calendar(part, &civil).into_bytes()),
    }
    (ValueType::String, out)
}

/// The parts that are numbers, in the width that they always have.
fn calendar(part: &str, civil: &Civil) -> String {
    let monday_based = (i32::from(civil.weekday) + 6) % 7;
    // The first Monday starts week 1; the days before it are week 0.
    let week_of = |day: i32| (day - monday_based + 6) / 7;
    match part {
        "YEAR" => format!("{:04}", civil.year),
        "YEAR_DAY" => format!("{:03}", civil.yearday),
        "MONTH" => format!("{:02}", civil.month),
        "MONTH_WEEK" => week_of(civil.day.into()).to_string(),
        "DAY" => format!("{:02}", civil.day),
        "HOUR" => format!("{:02}", civil.hour),
        "HOUR12" => format!("{:02}", (civil.hour + 11) % 12 + 1),
        "MIN" => format!("{:02}", civil.minute),
        "SEC" => format!("{:02}", civil.second),
        "MSEC" => format!("{:03}", civil.micros / 1000),
        "USEC" => format!("{:06}", civil.micros),
        "WEEK_DAY" => (civil.weekday + 1).to_string(),
        "WEEK" => format!("{:02}", week_of(civil.yearday.into())),
        "ISOWEEK" => {
            let date = jiff::civil::Date::new(civil.year as i16, civil.month as i8, civil.day as i8);
            date.map_or_else(|_| String::new(), |date| format!("{:02}", date.iso_week_date().week()))
        }
        _ => String::new(),
    }
}
