//! Functions of lists.

use super::super::surroundings::Alone;
use super::*;

/// Templates and their results.
const ROWS: &str = r#"
$(list-head $l) => a
$(list-head "")| => |
$(list-nth 1 $l) => b c
$(list-nth -1 $l) => g
$(list-nth 9 $l)| => |
$(list-nth -9 $l)| => |
$(list-nth x $l)| => |
$(list-tail $l) => "b c",d,'e"f',"",g
$(list-tail a)| => |
$(list-slice 1:2 $l) => "b c"
$(list-slice :2 $l) => a,"b c"
$(list-slice -2: $l) => "",g
$(list-slice :-1 $l) => a,"b c",d,'e"f',""
$(list-slice 1 $l) => "b c",d,'e"f',"",g
$(list-slice 1:2:3 $l)| => |
$(list-slice -100: a,b) => a,b
$(list-slice :-100 a,b)| => |
$(list-slice 3:1 $l)| => |
$(list-count $l) => 6
$(list-count a,b c,,d) => 4
$(list-count "") => 0
$(list-append "" a) => a
$(list-append $l "x y" "") => a,"b c",d,'e"f',,"",g,"x y",""
$(list-append a, b) => a,b
$(list-append "" $q1 $q2 $q3 $nl $ctl) => "it's",'say "x"',"it's \"x\"","a\nb\\c\x01",a⟨01⟩b
$(list-concat a,b, c) => a,b,c
$(list-concat $mal) => '"a"junk',b
$(list-concat $unt) => '"abc'
$(list-search a $l) => 0
$(list-search nope $l)| => |
$(list-search --mode prefix b $l) => 1
$(list-search --mode glob *c $l) => 1
$(list-search --mode pcre [dg] $l) => 2
$(list-search --mode pcre c $l)| => |
$(list-search --start-index 1 a a,b,a) => 2
$(implode " " $l) => a b c d e"f  g
$(implode ", " a,b c) => a, b, c
$(explode " " "a b  c") => a,b,"",c
$(explode , a,b "c d") => a,b,"c d"
$(explode ab xaby) => x,y
$(explode ";" "")| => |
$(map "<$_>" $l) => <a>,"<b c>",<d>,'<e"f>',<>,<g>
$(map $(+ 1 $_) 1,2,x) => 2,3,NaN
$(names q2 q1) => q1,q2
$(values q2 q1 ctl) => a⟨01⟩b,"it's",'say "x"'
$(names x=1 --key q*) => q1,q2,q3,x
"#;

/// Breaks without it: an element of a list is lost, or another one is taken.
#[test]
fn lists_are_read_and_written_as_by_syslog_ng() {
    let pairs = [
        ("l", "a,\"b c\",d,'e\"f',,\"\",g"),
        ("mal", "\"a\"junk,b"),
        ("unt", "\"abc"),
        ("q1", "it's"),
        ("q2", "say \"x\""),
        ("q3", "it's \"x\""),
        ("nl", "a⟨0a⟩b\\c⟨01⟩"),
        ("ctl", "a⟨01⟩b"),
    ];
    check_rows(ROWS, &message(&pairs), &Options::default(), &mut Alone);
}
