//! Functions of numbers: `+`, `-`, `*`, `/`, `%`, `round`, `ceil`, `floor`, `sum`, `min`, `max`, `average`.
//!
//! Two whole numbers give a whole one, anything else a double. Where the result of whole numbers has no place
//! in 64 bits it is a double, too. What is no number gives `NaN`.

use super::{Arguments, Compiled};
use crate::message::{ValueType, typed};
use crate::template::build::{Build, Source};
use crate::template::correlated;
use crate::template::item::{Call, Items, Scope};

/// An operand, or a result.
#[derive(Debug, Clone, Copy)]
enum Number {
    Integer(i64),
    Double(f64),
}

impl Number {
    fn of(text: &[u8]) -> Option<Self> {
        typed::decimal(text).map(Self::Integer).or_else(|| typed::double(text).map(Self::Double))
    }

    fn as_double(self) -> f64 {
        match self {
            Self::Integer(number) => number as f64,
            Self::Double(number) => number,
        }
    }
}

/// Appends `number`, `NaN` for none, and tells its type.
fn push(number: Option<Number>, out: &mut Vec<u8>) -> ValueType {
    match number {
        Some(Number::Integer(number)) => {
            out.extend_from_slice(number.to_string().as_bytes());
            ValueType::Integer
        }
        Some(Number::Double(number)) => {
            typed::push_double(number, out);
            ValueType::Double
        }
        None => {
            out.extend_from_slice(b"NaN");
            ValueType::Double
        }
    }
}

fn binary(
    arguments: &Arguments<'_>,
    out: &mut Vec<u8>,
    integers: fn(i64, i64) -> Option<i64>,
    doubles: fn(f64, f64) -> f64,
    divides: bool,
) -> ValueType {
    let mut numbers = (0..2).map(|index| Number::of(&arguments.text(index)));
    let result = match (numbers.next().flatten(), numbers.next().flatten()) {
        _ if arguments.count() != 2 => None,
        (Some(_), Some(divisor)) if divides && divisor.as_double() == 0.0 => None,
        (Some(Number::Integer(one)), Some(Number::Integer(two))) => {
            let exact = integers(one, two).map(Number::Integer);
            exact.or(Some(Number::Double(doubles(one as f64, two as f64))))
        }
        (Some(one), Some(two)) => Some(Number::Double(doubles(one.as_double(), two.as_double()))),
        _ => None,
    };
    push(result, out)
}

/// `$(+)`
pub(super) fn add(arguments: &Arguments<'_>, out: &mut Vec<u8>) -> ValueType {
    binary(arguments, out, i64::checked_add, |one, two| one + two, false)
}

/// `$(-)`
pub(super) fn subtract(arguments: &Arguments<'_>, out: &mut Vec<u8>) -> ValueType {
    binary(arguments, out, i64::checked_sub, |one, two| one - two, false)
}

/// `$(*)`
pub(super) fn multiply(arguments: &Arguments<'_>, out: &mut Vec<u8>) -> ValueType {
    binary(arguments, out, i64::checked_mul, |one, two| one * two, false)
}

/// `$(/)`
pub(super) fn divide(arguments: &Arguments<'_>, out: &mut Vec<u8>) -> ValueType {
    binary(arguments, out, i64::checked_div, |one, two| one / two, true)
}

/// `$(%)`
pub(super) fn remainder(arguments: &Arguments<'_>, out: &mut Vec<u8>) -> ValueType {
    binary(arguments, out, |one, two| Some(one.wrapping_rem(two)), |one, two| one % two, true)
}

/// `$(round)`: half away from zero, with so many digits.
pub(super) fn round(arguments: &Arguments<'_>, out: &mut Vec<u8>) -> ValueType {
    let number = Number::of(&arguments.text(0)).map(Number::as_double);
    let digits = if arguments.count() > 1 { typed::decimal(&arguments.text(1)) } else { Some(0) };
    match (number, digits) {
        (Some(number), Some(digits @ 0..=20)) if number.is_finite() => {
            let scale = 10_f64.powi(digits as i32);
            let scaled = number * scale;
            // Beyond all fractions there is nothing to round.
            let rounded = if scaled.abs() < 9e15 { scaled.round() / scale } else { number };
            out.extend_from_slice(format!("{rounded:.*}", digits as usize).as_bytes());
        }
        _ => out.extend_from_slice(b"NaN"),
    }
    ValueType::Double
}

/// `$(ceil)`
pub(super) fn ceil(arguments: &Arguments<'_>, out: &mut Vec<u8>) -> ValueType {
    whole(arguments, out, f64::ceil)
}

/// `$(floor)`
pub(super) fn floor(arguments: &Arguments<'_>, out: &mut Vec<u8>) -> ValueType {
    whole(arguments, out, f64::floor)
}

fn whole(arguments: &Arguments<'_>, out: &mut Vec<u8>, round: fn(f64) -> f64) -> ValueType {
    let number =
        Number::of(&arguments.text(0)).filter(|_| arguments.count() == 1).map(|number| match number {
            Number::Integer(number) => Number::Integer(number),
            Number::Double(number) if number.is_nan() => Number::Double(number),
            // Beyond 64 bits it is the nearest number that is not.
            Number::Double(number) => Number::Integer(round(number) as i64),
        });
    push(number, out)
}

/// `$(sum)`, `$(min)`, `$(max)` and `$(average)` over the context: of the messages whose number is a whole one.
struct OfContext {
    name: &'static str,
    number: Items,
    /// Puts one more number to the result of those before.
    fold: fn(i128, i128) -> i128,
    /// The result is divided by how many there are.
    is_mean: bool,
}

impl std::fmt::Debug for OfContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple(self.name).field(&self.number).finish()
    }
}

fn of_context(
    build: &mut Build<'_>,
    sources: &[Source],
    (name, is_mean): (&'static str, bool),
    fold: fn(i128, i128) -> i128,
) -> Compiled {
    let [number] = sources else {
        return Err(build.call_error(&format!("`{name}` takes one number"), &format!("$({name} number)")));
    };
    Ok(Box::new(OfContext { name, number: build.items(number)?, fold, is_mean }))
}

impl Call for OfContext {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let (mut result, mut count) = (None, 0_i128);
        correlated::each(scope, |scope| {
            if let Some(number) = typed::decimal(&self.number.text(scope)).map(i128::from) {
                count += 1;
                result = Some(result.map_or(number, |before| (self.fold)(before, number)));
            }
            true
        });
        let Some(result) = result else { return ValueType::Null };
        let result = if self.is_mean { result / count } else { result };
        // Beyond 64 bits it is the nearest number that is not.
        let number = result.clamp(i64::MIN.into(), i64::MAX.into());
        push(i64::try_from(number).ok().map(Number::Integer), out)
    }
}

/// Compiles `$(sum)`.
pub(super) fn sum(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    of_context(build, sources, ("sum", false), |one, two| one + two)
}

/// Compiles `$(min)`.
pub(super) fn min(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    of_context(build, sources, ("min", false), std::cmp::Ord::min)
}

/// Compiles `$(max)`.
pub(super) fn max(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    of_context(build, sources, ("max", false), std::cmp::Ord::max)
}

/// Compiles `$(average)`.
pub(super) fn average(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    of_context(build, sources, ("average", true), |one, two| one + two)
}
