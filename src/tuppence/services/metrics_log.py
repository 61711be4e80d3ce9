"""Writes the metrics of a service to its log, in the embedded format that CloudWatch reads.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import logging
import threading
import time
from collections import defaultdict
from typing import Any, Final

from tuppence.services.metrics import Metrics

SECONDS: Final = 60.0
"""Time between two lines."""
NAMESPACE: Final = "tuppence"
_ADDED_UP: Final = ("_total", "_count", "_sum")
"""Ends of the names of values that only grow; a line has what they grew by."""
_OMITTED: Final = ("_bucket", "_created")
_logger: Final = logging.getLogger(__name__)


class MetricsLog:
    """Turns the metrics of a service into fields of log lines; the service is their dimension.

    Args:
        metrics: The metrics, which are added up over their labels.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._before: dict[str, float] = defaultdict(float)

    def fields(self, milliseconds: int) -> dict[str, Any]:
        """Return the fields of the next line.

        Args:
            milliseconds: The time, since 1970.
        """
        now: dict[str, float] = defaultdict(float)
        for family in self._metrics.registry.collect():
            for sample in family.samples:
                name = sample.name.removeprefix(self._metrics.prefix)
                if not name.endswith(_OMITTED):
                    now[name] += sample.value
        grown = {name for name in now if name.endswith(_ADDED_UP)}
        values = {name: now[name] - (self._before[name] if name in grown else 0) for name in now}
        self._before = now
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["service"]],
            "Metrics": [{"Name": name} for name in values],
        }
        return {"_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]}, **values}

    def write_until(self, over: threading.Event, seconds: float = SECONDS) -> None:
        """Write a line from time to time until an event happens, and a last one then."""
        ended = False
        while not ended:
            ended = over.wait(seconds)
            _logger.info("metrics", extra=self.fields(int(time.time() * 1_000)))
