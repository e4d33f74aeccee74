//! Functions of numbers.

use super::super::surroundings::Alone;
use super::*;

/// Templates and their results.
const ROWS: &str = r#"
$(+ 1 2) => 3
$(+ " 1" 1) => 2
$(+ 010 1) => 11
$(+ 9223372036854775807 1) => 9.2233720368547758e+18
$(* 9223372036854775807 2) => 1.8446744073709552e+19
$(- 1 2) => -1
$(/ 7 2) => 3
$(/ -7 2) => -3
$(/ 7 0) => NaN
$(/ 7 0.0) => NaN
$(% 7 3) => 1
$(% -7 3) => -1
$(+ a 1) => NaN
$(+ 1) => NaN
$(+ 1 2 3) => NaN
$(+ "" 1) => NaN
$(+ 1k 1) => NaN
$(+ 1e400 1) => NaN
$(+ inf 1) => inf
$(+ nan 1) => nan
$(round 1.5) => 2
$(round 2.5) => 3
$(round -1.5) => -2
$(round -0.4) => -0
$(round 1.2345 2) => 1.23
$(round 1.005 2) => 1.00
$(round 7 2) => 7.00
$(round 0.1 20) => 0.10000000000000000555
$(round 1.5 21) => NaN
$(round x) => NaN
$(ceil 1.1) => 2
$(ceil -1.9) => -1
$(floor -1.1) => -2
$(floor 3) => 3
$(ceil x) => NaN
$(sum 5) => 5
$(sum 5.5)| => |
$(average 3) => 3
$(sum 1 2) => ERROR
$(+ 1.5 .25) => 1.75
$(/ 3.0 2) => 1.5
$(* 1.5 2.0) => 3
$(% 3.14 0.7) => 0.3400000000000003
$(+ 0.1 0.2) => 0.30000000000000004
$(+ 5e-1 0) => 0.5
$(+ 1e17 0) => 1e+17
$(round 2 20) => 2.00000000000000000000
$(/ -9223372036854775808 -1) => 9.2233720368547758e+18
$(% -9223372036854775808 -1) => 0
$(ceil 1e300) => 9223372036854775807
$(floor nan) => nan
"#;

/// Breaks without it: a sum is another number, or one of C that has no meaning.
#[test]
fn numbers_are_those_of_syslog_ng() {
    check_rows(ROWS, &message(&[]), &Options::default(), &mut Alone);
}
