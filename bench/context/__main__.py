"""What the context plugin saves and what it leaves alone, on sessions of agents replayed turn by turn.

    python -m bench.context [TRACES...]

TRACES are files or folders of recorded sessions. Without any: the samples beside this file, sessions made from a seed,
and `../shared/data/traces` where that is present. Every figure is explained in docs/explanation/context.md. Exits with
1 where a request is invalid, a cached beginning changes, or a kind of traffic gets dearer.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import get_args

from bench.context.billing import AS_MARKED, MODELS, Provider, providers
from bench.context.generated import SEED, generated
from bench.context.optimizers import Level, Optimizer, Plugin
from bench.context.over_http import OverHttp
from bench.context.replay import Bench, Pace
from bench.context.report import Report, as_json, show
from bench.context.speed import large_texts, times
from bench.context.traces import Session, read

HERE = Path(__file__).parent
RECORDED = HERE.parents[1] / ".." / "shared" / "data" / "traces"


def main() -> None:
    options = _options()
    if options.http:
        with OverHttp(options.level, anthropic=options.anthropic) as gateway:
            reports = measure(options, gateway)
            print(f"\ncalls to the upstream beyond one for each request: {gateway.more}")
    else:
        reports = measure(options, Plugin(options.level, recall=not options.no_recall))
    if options.json:
        told = {name: as_json(report) for name, report in reports.items()}
        options.json.write_text(json.dumps(told, indent=1), encoding="utf-8")
    faults = [f"{name}: {fault}" for name, report in reports.items() for fault in report.faults()]
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    sys.exit(bool(faults))


def measure(options: argparse.Namespace, optimizer: Optimizer) -> dict[str, Report]:
    """The reports of all sets of sessions, which are shown as they come."""
    reports: dict[str, Report] = {}
    for name, sessions in _sets(options).items():
        chosen = [session for session in sessions if not options.kinds or session.kind in options.kinds.split(",")]
        if not chosen:
            continue
        print(f"\n## {name}")
        billed = providers(options.ttl, AS_MARKED if options.anthropic else MODELS, units=options.units)
        reports[name] = run(chosen, optimizer, billed, Pace(options.gap, 2 * options.ttl, options.pause_every))
        if not (options.no_speed or options.http):
            reports[name].times = times(optimizer, chosen)
            reports[name].large = {} if len(reports) > 1 else large_texts(optimizer)
        show(reports[name])
    return reports


def run(sessions: list[Session], optimizer: Optimizer, billed: tuple[Provider, ...], pace: Pace) -> Report:
    report, bench = Report(billed), Bench(optimizer, billed, pace)
    for session in sessions:
        report.add(session.kind, bench.session(session), native=session.native)
    return report


def _sets(options: argparse.Namespace) -> dict[str, list[Session]]:
    if options.traces:
        return {", ".join(map(str, options.traces)): read(options.traces)}
    sets = {"samples": read([HERE / "samples"]), f"generated from seed {options.seed}": generated(options.seed)}
    return sets | {"recorded": read([RECORDED])} if RECORDED.is_dir() else sets


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.context", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("traces", nargs="*", type=Path, metavar="TRACES")
    parser.add_argument("--level", choices=get_args(Level), default="careful", help="how much the plugin may leave out")
    parser.add_argument("--http", action="store_true", help="measure a gateway by what arrives behind it")
    parser.add_argument(
        "--anthropic", action="store_true", help="with --http: to Anthropic, billed by the cache marks that arrive"
    )
    parser.add_argument("--no-recall", action="store_true", help="the model cannot ask for what was left out")
    parser.add_argument("--seed", type=int, default=SEED, help="of the sessions that are made")
    parser.add_argument("--kinds", help="only these kinds of sessions, by commas")
    parser.add_argument("--gap", type=float, default=20.0, help="seconds between two turns")
    parser.add_argument("--ttl", type=float, default=300.0, help="seconds a provider's cache lives")
    parser.add_argument("--pause-every", type=int, default=0, metavar="N", help="a pause of two lives each N turns")
    parser.add_argument("--units", action="store_true", help="bill in units of the input's price, not litellm's prices")
    parser.add_argument("--no-speed", action="store_true", help="measure no processor time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    if options.http and (options.pause_every or options.no_recall):
        parser.error("--http knows neither pauses nor a model without recall: a gateway's clock and tools are its own")
    if options.anthropic and not options.http:
        parser.error("--anthropic needs --http")
    return options


if __name__ == "__main__":
    main()
