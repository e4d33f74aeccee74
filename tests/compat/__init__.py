"""The same configurations through syslog-ng and through Inrush, compared byte by byte.

`make compat` runs every case of `cases/`, one file a family. All cases of a family share one process of each
engine: what a case defines gets a prefix of its own, and so does what it writes.

A case
------
::

    === a name, unique in its file
    print: $PROGRAM says $MSG
    log { SRC; m"a" D1; flags(final); }; log { SRC; filter { not message("x") }; D2; };
    >> a b "a b"
    > [PROGRAM=sshd pri=34 -PID] a message of its own
    D1: "prog says a" "prog says a b"
    D2| prog says b
    D2| sshd says a message of its own

A comment is a line that starts with `#`, before the first case or between two.

Lines with keys, all of which may be missing:

=====================  =============================================================================
`version: 3.38`        `@version`; 4.0 without it
`print: template`      what destinations write of each message, with a newline behind it; `$MSG` without it.
                       Several: one line each. `print D2: …` is for one destination
`filter: expression`   the path is `log { SRC; filter { expression }; D; };`
`rewrite: items`       the same with `rewrite { items }`; `parser:` with `parser { items }`; in the order written
`item: text`           the same with any item of a log path, as `item: if (level(err)) { D2; };`
`source: options`      further options of the source, as `source: tags("x") flags(no-parse)`
`options: options`     further global options; the case has processes of its own
`file NAME: text`      a file of the case, with `\\n` for newlines; `DIR/NAME` is its path
`alone: why`           the case has processes of its own
`only: why`            the case is not for syslog-ng 3.38, and has the text that is expected
`refused: text`        no engine starts with it, and Inrush says the text (nothing: whatever it says)
=====================  =============================================================================

The other lines are configuration, as it is in a file. In it

* `SRC` is the source of the case, `D` and `D1` to `D9` are files, where a `;` follows: `log { SRC; D1; };`;
* `SRC2` to `SRC9` are further sources; `DRIVER` and `DRIVER2` are what `source { }` has inside for them;
* `m"x"` is `filter { message("x"); };`, and `R"x"` is `rewrite { set("x"); };`;
* the names of what it defines (`filter f { … };`, `block rewrite b() { … };`) are its own;
* `CASE_` stands for the prefix where that is not enough (`CASE_s` and `CASE_s_2` are the sources), `DIR` for its directory.

Without a configuration and without a path of the lines before, it is `log { SRC; D; };`.

Messages are `> text`, one a line, or `>> words and "several words"`, one a word. They have PROGRAM `prog`, PID
`42`, HOST `h` and the priority 13. `[NAME=value NAME="a value" pri=34 stamp=2026-06-01T12:00:00+02:00 -PID]`
before a text sets and removes; `[raw]` has the text parsed, as if it came from a peer; `[]` sets nothing, for a
text that starts with a bracket. `[from=192.0.2.7]` (an address of the sender) works with `only:` alone.

`2> text` and `2>> words` are for the second source; what several sources write is compared sorted.

What is expected follows: `D1: words`, one line each, or `D1| a whole line`. Nothing is expected in a file that is
not named, if one is named; without all of it, what syslog-ng writes is expected. Names in it are without the prefix.
`\\n`, `\\t`, `\\r`, `\\0`, `\\\\` and `\\xNN` are bytes, in messages and in what is expected.

Wanted differences
------------------
`differences.txt` lists the cases in which Inrush does something else than syslog-ng 3.38, with what that does,
why, and where it is said. Any other difference fails, and so does one that is gone. A case that Inrush refuses
because it does not have that part of the language yet is named, and fails nothing.

Commands
--------
::

    make compat                                all cases, then 200 random ones
    make compat CASES="paths filters/pcre"     families, and cases by the start of their names
    make compat RANDOM=1000 SEED=7             this many random cases; what differs is made as small as it gets
    PYTHONPATH=tests python -m compat --show paths/final      both configurations of a case, and what they gave
"""
