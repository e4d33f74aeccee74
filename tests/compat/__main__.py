"""`make compat`: see the package."""

from __future__ import annotations

import argparse
import random
import sys

from compat.case import Case, CaseError, families, read_differences, read_family
from compat.engine import INSTALL, Native
from compat.judge import Verdict, judge, report
from compat.judge import families as by_family
from compat.random_cases import random_verdicts


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


def messages(case: Case) -> str:
    """The messages of a random case, as they are written in a file of cases."""
    lines = []
    for each in case.messages:
        values = " ".join(f'{name}="{value.decode()}"' for name, value in each.values.items())
        lines.append(f"> [-PID pri={each.pri} {values}] {each.text.decode()}")
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="compat", description=__doc__)
    parser.add_argument("cases", nargs="*", help="families, or paths of cases by their start")
    parser.add_argument("--show", action="store_true", help="print the configurations and what came of them")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="N random cases, too")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the random cases")
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
    if arguments.random and native:
        verdicts = random_verdicts(arguments.random, arguments.seed)
        print(f"random: {arguments.random} cases of seed {arguments.seed}, {len(verdicts)} fail")
        for verdict in verdicts:
            print(f"{verdict.case.configuration}\n{messages(verdict.case)}\n{report([verdict])}")
        failed += len(verdicts)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
