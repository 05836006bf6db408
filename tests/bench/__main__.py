"""Run a bench: `python -m tests.bench NAME [--quick] [--json] ...`, where a wrong NAME lists all.

Prints what was measured, on what, and for each figure that the issue asks for whether it is met.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, judged, machine, table

#: Modules of this package.  One is imported when it is run: all of them take seconds.
BENCHES = (
    "start",
    "doctor",
    "idle",
    "stop",
    "overhead",
    "pacing",
    "live",
    "fuzz",
    "bombs",
    "render",
    "kill",
    "term",
    "redeliver",
    "faults",
    "storm",
    "slow",
    "load",
    "soak",
    "stops",
    "conversation",
    "web",
    "money",
    "cluster",
)


def main() -> int:
    """Run the bench that the command line names; 1 if a figure is missed and that was to be asserted."""
    options = _options()
    bench = import_module(f"tests.bench.{options.bench}")
    began, on = time.monotonic(), machine()
    measured = asyncio.run(bench.bench(quick=options.quick, seed=options.seed, **_own(options)))
    measured = {"bench": options.bench, "quick": options.quick, "seed": options.seed, **measured}
    measured |= {"took_s": round(time.monotonic() - began, 1), "machine": on}
    figures = judged(options.bench, measured)
    print(f"{options.bench}{' (quick: fewer and shorter)' if options.quick else ''}, {measured['took_s']} s")
    print("on:", ", ".join(f"{key} {value}" for key, value in on.items()))
    print(f"limits: {measured['limits']}\n")
    print(f"{table(bench.rows(measured))}\n")
    print(table([("figure", "asked", "measured", "verdict"), *(figure.row() for figure in figures)]))
    missed = [figure.name for figure in figures if not figure.met(options.slack)]
    if options.asserting and missed:
        print(f"\nmissed{f' by more than {options.slack:g}x' * (options.slack != 1)}: {', '.join(missed)}")
    if options.plot:
        import_module("tests.bench.plot").draw(measured, options.plot)
    if options.json:
        print(json.dumps({**measured, "figures": [_plain(figure) for figure in figures]}))
    return 1 if options.asserting and missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("bench", choices=BENCHES)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter, under a minute for both")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument(
        "--assert", dest="asserting", action="store_true", help="exit with 1 if a figure is missed"
    )
    parser.add_argument(
        "--slack", type=float, default=1.0, help="with --assert: so many times the limit is still no failure"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of texts and of the times of questions and stops"
    )
    parser.add_argument("--plot", type=Path, help="pacing: draw staleness over N to this PNG file")
    scenario = parser.add_argument_group("live")
    scenario.add_argument("--n", type=_numbers, default=(), help="answers of a wave, with commas: 1,4,16")
    scenario.add_argument("--seeds", type=_numbers, default=(), help="of the loads, with commas: 0")
    scenario.add_argument("--only", type=_words, default=(), help="of SETTINGS in live.py")
    scenario.add_argument(
        "--delta",
        type=int,
        default=0,
        help="characters of a delta on the wire, instead of DELTA in scenario.py",
    )
    crashes = parser.add_argument_group("kill and term")
    crashes.add_argument("--runs", type=int, default=0, help="how many kills or signals on each platform")
    crashes.add_argument("--tools", action="store_true", help="kill: only around calls of tools")
    texts = parser.add_argument_group("fuzz")
    texts.add_argument("--cases", type=int, default=0, help="how many, instead of CASES in fuzz.py")
    texts.add_argument("--replay", default="", metavar="CASE", help="only that case (also of faults)")
    parser.add_argument_group("bombs").add_argument(
        "--search", type=float, default=0.0, metavar="SECONDS", help="look for worse shapes that long"
    )
    parser.add_argument_group("faults").add_argument(
        "--hops", type=_words, default=(), help="of HOPS in faults.py"
    )
    long = parser.add_argument_group("soak")
    long.add_argument("--minutes", type=float, default=0.0, help="instead of MINUTES in soak.py")
    return parser.parse_args()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _own(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments that only one bench takes."""
    match options.bench:
        case "live":
            delta = {"delta": options.delta} if options.delta else {}
            return {"ns": options.n, "seeds": options.seeds, "only": options.only, **delta}
        case "kill":
            return {"runs": options.runs, "tools": options.tools}
        case "cluster":
            return {"only": options.only, "runs": options.runs}
        case "term":
            return {"runs": options.runs}
        case "fuzz":
            return {"cases": options.cases, "again": options.replay}
        case "bombs":
            return {"search": options.search}
        case "soak":
            return {"minutes": options.minutes}
        case "faults":
            return {"only": options.hops, "seeds": len(options.seeds), "again": options.replay}
        case _:
            return {}


def _plain(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "asked": f"{figure.relation} {figure.asked}",
        "ours": figure.ours,
        "unit": figure.unit,
        "measured": figure.measured,
        "met": figure.met(),
    }


if __name__ == "__main__":
    sys.exit(main())
