"""`make compat`: see the package."""

from __future__ import annotations

import argparse
import sys

from compat.case import Case, CaseError, families, read_differences, read_family
from compat.engine import INSTALL, Native
from compat.judge import Verdict, judge, report
from compat.judge import families as by_family


def chosen(cases: list[Case], patterns: list[str]) -> list[Case]:
    """The cases whose family is named, or whose path starts as one of the patterns."""
    if not patterns:
        return cases
    return [
        case
        for case in cases
        if any(case.family == each or ("/" in each and case.path.startswith(each)) for each in patterns)
    ]


def show(verdict: Verdict) -> None:
    """Prints both sides of a case."""
    for name, result in (("syslog-ng", verdict.native), ("Inrush", verdict.ours)):
        if result is None:
            continue
        print(f"==== {name}\n{result.configuration}\n---- says\n{result.said}")
        for file, data in result.output.items():
            print(f"---- {file}\n{data.decode(errors='backslashreplace')}", end="")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="compat", description=__doc__)
    parser.add_argument("cases", nargs="*", help="families, or paths of cases by their start")
    parser.add_argument("--show", action="store_true", help="print the configurations and what came of them")
    arguments = parser.parse_args()
    native = Native.program() is not None
    if not native:
        print(
            f"syslog-ng is not installed: what is expected is compared, and no more. {INSTALL}",
            file=sys.stderr,
        )
    try:
        differences = read_differences()
        cases = [case for path in families() for case in read_family(path)]
    except CaseError as error:
        print(f"compat: {error}", file=sys.stderr)
        return 2
    failed = 0
    cases = chosen(cases, arguments.cases)
    for family, group in by_family(cases):
        verdicts = judge(group, differences)
        wrong = [verdict for verdict in verdicts if verdict.wrong]
        wanted = sum(case.path in differences for case in group)
        unbuilt = [verdict.case.name for verdict in verdicts if verdict.ours.is_unbuilt]
        print(f"{family}: {len(group)} cases, {len(wrong)} fail, {wanted} wanted differences", end="")
        print(f"; not built yet: {', '.join(unbuilt)}" if unbuilt else "")
        if arguments.show:
            for verdict in verdicts:
                show(verdict)
        if wrong:
            print(report(wrong))
        failed += len(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
