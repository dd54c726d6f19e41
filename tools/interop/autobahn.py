"""Runs Autobahn's cases against a server and prints the score; see the script `autobahn` beside it."""

import asyncio
import os
import sys
from collections import Counter, defaultdict

from kosoku import FailureError, run_fuzzingclient

GOOD = {"OK", "INFORMATIONAL"}

SECTIONS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "closing",
    "9": "limits and performance",
    "10": "automatic fragmentation",
    "12": "compression of different data",
    "13": "compression with different parameters",
}


async def run(address, cases):
    try:
        return await run_fuzzingclient(address, cases or None, None, concurrency=2)
    except FailureError as failure:
        return failure.results


def main():
    address, report, *cases = sys.argv[1:]
    results = asyncio.run(run(address, cases))
    scores, bad = defaultdict(Counter), []
    for result in results:
        verdicts = {result.behavior.value, result.behavior_close.value}
        section = result.case_id.split(".")[0]
        scores[section][result.behavior.value] += 1
        if not verdicts <= GOOD:
            bad.append(f"{result.case_id}: {result.behavior.value}, closing {result.behavior_close.value}")
    for section, score in sorted(scores.items(), key=lambda item: int(item[0])):
        words = ", ".join(f"{count} {verdict}" for verdict, count in sorted(score.items()))
        print(f"{section:>3} {SECTIONS.get(section, ''):38} {words}")
    print(f"{len(results) - len(bad)} of {len(results)} OK or informational")
    for line in bad:
        print(line)
    if report:
        from kosoku._report import write_reports

        write_reports(results, report)
    # The runner's own threads make an orderly end of the interpreter abort at times.
    sys.stdout.flush()
    os._exit(bool(bad) or not results)


main()
