"""Lists against peers on splits of real data: one refresh, export and scoring for each split.

    python -m benchmarks.quality --peers PEERS --work WORK sephora_7 completejourney_42

PEERS holds the protocol (split.py, score.py, figures of the peers). A split is named after its data set and seed; it is
cut into WORK/splits with the interpreter --protocol-python (which needs the protocol's requirements), and its lake lies
in WORK/lakes. Only the protocol's own score.py reads the truth.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy import stats


def main() -> None:
    """Refresh, export and score every split that is named."""
    arguments = _arguments()
    pairs: dict[str, list[str]] = {}
    for name in arguments.names:
        data, seed = name.rsplit("_", 1)
        split, lists = arguments.work / "splits" / name, arguments.work / f"{name}.parquet"
        if not split.exists():
            protocol = str(arguments.peers / "split.py")
            _run(arguments.protocol_python, protocol, data, str(split), "--seed", seed)
        settings = [*_settings(split), "--set", f"lake.path={arguments.work / 'lakes' / name}"]
        _run(sys.executable, "-m", "jobs.refresh", *settings, "--run-id", name)
        exported = ["export", "recommendations", "--format", "parquet", "--out", str(lists)]
        _run(sys.executable, "-m", "jobs.cli", *exported, *settings)
        pairs.setdefault(data, []).append(f"{split}={lists}")
    for _, mine in sorted(pairs.items()):
        scored = _run(arguments.protocol_python, str(arguments.peers / "score.py"), *mine, captured=True)
        print(scored, *intervals(scored), sep="\n", flush=True)


def intervals(scored: str) -> list[str]:
    """95 % intervals (Student's t over seeds) of the protocol's lines "mean ratio SLICE METRIC MEAN (from N: …)".

    >>> intervals("mean ratio warm ndcg 1.060  (from 3: 1.04, 1.06, 1.08)")
    ['interval warm ndcg 1.060 (1.010 to 1.110)']
    """
    found = []
    for name, metric, ratios in re.findall(r"mean ratio (\w+) +(\w+) +[\d.]+ +\(from \d+: ([^)]*)\)", scored):
        values = np.array([float(ratio) for ratio in ratios.split(",")])
        if len(values) > 1:
            half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
            mean = values.mean()
            found.append(f"interval {name} {metric} {mean:.3f} ({mean - half:.3f} to {mean + half:.3f})")
    return found


def _settings(split: Path) -> list[str]:
    """The data set's settings file, with this split's paths and the protocol's candidates on the new shelf."""
    data = split.name.rsplit("_", 1)[0]
    paths = [f"source.{table}.path={split / table}.parquet" for table in ("events", "users", "items")]
    # Some items lost all their events to the hold-out without being candidates; the protocol refuses lists with them.
    listed = ", ".join(f"'{item}'" for item in _no_candidates(split)) or "''"
    discovery = "true" if json.loads((split / "split.json").read_text())["exclude_seen"] else "false"
    filters = {
        "for_you": "true",
        "established": "item_group = 'established'",
        "new_arrivals": f"item_group = 'new' AND item_id NOT IN ({listed})",
    }
    shelves = ", ".join(
        f'{{name: {name}, filter: "{condition}", exclude_purchased: {discovery}}}'
        for name, condition in filters.items()
    )
    overrides = [*paths, f"rank.shelves=[{shelves}]"]
    return ["--conf", f"conf/peers_{data}.yaml", *(part for o in overrides for part in ("--set", o))]


def _no_candidates(split: Path) -> list[str]:
    cold = set(json.loads((split / "split.json").read_text())["cold_items"])
    events, items = (
        set(pq.read_table(split / f"{name}.parquet", columns=["item_id"])["item_id"].to_pylist())
        for name in ("events", "items")
    )
    return sorted(items - events - cold)


def _run(*command: str, captured: bool = False) -> str:
    print("$", " ".join(part if len(part) < 80 else f"{part[:77]}…" for part in command), flush=True)
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE if captured else None)
    return done.stdout or ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="DATA_SEED")
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--protocol-python", default=sys.executable)
    return parser.parse_args()


if __name__ == "__main__":
    main()
