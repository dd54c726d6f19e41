"""Reads a page of measures by the parser of prometheus-client and checks its histograms.

metrics.py FILE
"""

import sys
from math import inf

from prometheus_client.parser import text_fd_to_metric_families

with open(sys.argv[1], encoding="utf-8") as page:
    families = {family.name: family for family in text_fd_to_metric_families(page)}

for name, family in families.items():
    assert family.type != "unknown" and family.documentation, f"{name}: no type or no help"
    assert family.samples or name == "readyloop_http_requests", f"{name}: no samples"
    if family.type != "histogram":
        continue
    series = {}
    for sample in family.samples:
        labels = dict(sample.labels)
        bound = labels.pop("le", None)
        one = series.setdefault(tuple(sorted(labels.items())), {"buckets": []})
        if bound is None:
            one[sample.name.removeprefix(name)] = sample.value
        else:
            one["buckets"].append((float(bound), sample.value))
    for labels, one in series.items():
        bounds = [bound for bound, _ in one["buckets"]]
        counts = [count for _, count in one["buckets"]]
        assert bounds == sorted(set(bounds)) and bounds[-1] == inf, f"{name}{labels}: {bounds}"
        assert counts == sorted(counts), f"{name}{labels}: not cumulative: {counts}"
        assert counts[-1] == one["_count"] and one["_sum"] >= 0, f"{name}{labels}: {one}"

for name in ["turn_seconds", "lag_seconds", "timer_late_seconds", "turn_events"]:
    assert families[f"readyloop_{name}"].type == "histogram", name
print(f"{len(families)} measures")
