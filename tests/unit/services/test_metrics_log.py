"""Lines of a service's log that CloudWatch takes its metrics from."""

import logging
import threading

import pytest

from tuppence.services.metrics import Metrics
from tuppence.services.metrics_log import MetricsLog


def test_a_line_has_what_grew_since_the_last_one_and_what_is_now() -> None:
    metrics = Metrics("rules_engine")
    waiting = 5
    metrics.gauge("customers_waiting", "Waiting.", lambda: waiting)
    log = MetricsLog(metrics)
    metrics.requests.labels("/a", "200").observe(0.5)
    metrics.requests.labels("/b", "503").observe(0.25)
    metrics.errors.inc()
    first = log.fields(1_000)
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert first["_aws"]["Timestamp"] == 1_000
    assert directive["Namespace"] == "tuppence"
    assert directive["Dimensions"] == [["service"]]
    assert {one["Name"] for one in directive["Metrics"]} == first.keys() - {"_aws"}
    assert (first["request_seconds_count"], first["request_seconds_sum"]) == (2, 0.75)
    assert (first["errors_total"], first["customers_waiting"]) == (1, 5)
    metrics.requests.labels("/a", "200").observe(1.0)
    second = log.fields(2_000)
    assert (second["request_seconds_count"], second["request_seconds_sum"]) == (1, 1.0)
    assert (second["errors_total"], second["customers_waiting"]) == (0, 5)


def test_a_last_line_is_written_when_the_service_ends(caplog: pytest.LogCaptureFixture) -> None:
    over = threading.Event()
    over.set()
    with caplog.at_level(logging.INFO, "tuppence.services.metrics_log"):
        MetricsLog(Metrics("sql_relay")).write_until(over, 3_600.0)
    (line,) = caplog.records
    assert line.getMessage() == "metrics"
    assert "_aws" in vars(line)
