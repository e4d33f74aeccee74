"""Fixtures: the engine in a process of its own, and a Kafka broker."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from broker import Broker, create_topic
from harness import Delivered, Engine, RunSource, StartEngine, free_port, read_lines

NUMBERS = itertools.count()

# Two profiles: the fast one is for every run, the slow one for a search at leisure (HYPOTHESIS_PROFILE=slow).
settings.register_profile("fast", max_examples=100, deadline=None)
settings.register_profile("slow", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# Files whose tests look at the engine alone, and find the same on every CPython: commands, statistics, options,
# log paths, drivers, flow control, acknowledgements, reload, disks, the log. All others, and with them every new file, have the marker
# `interpreter`, and run on each interpreter (`make test-others`).
ANY_INTERPRETER = {
    "test_acks.py",
    "test_api_flow.py",
    "test_blocks.py",
    "test_buffer_format.py",
    "test_check.py",
    "test_cli.py",
    "test_collector.py",
    "test_compat.py",
    "test_config_generators.py",
    "test_contextual_data.py",
    "test_control.py",
    "test_credit_card.py",
    "test_destination_trouble.py",
    "test_device_parsers.py",
    "test_disk_buffer.py",
    "test_docs.py",
    "test_documentation_sample.py",
    "test_endurance.py",
    "test_fetcher.py",
    "test_file_options.py",
    "test_file_source.py",
    "test_generator.py",
    "test_http.py",
    "test_kafka.py",
    "test_library_destinations.py",
    "test_log.py",
    "test_log_paths.py",
    "test_log_template.py",
    "test_metrics.py",
    "test_network_destination.py",
    "test_network_source.py",
    "test_options.py",
    "test_parse_late.py",
    "test_parsers.py",
    "test_parsers_refuse.py",
    "test_perf.py",
    "test_persist.py",
    "test_pipe.py",
    "test_program.py",
    "test_quickstart.py",
    "test_redis.py",
    "test_reload.py",
    "test_reload_reading.py",
    "test_rewrites.py",
    "test_same_as_native.py",
    "test_search_path.py",
    "test_state_disk.py",
    "test_statistics.py",
    "test_stream_sources.py",
    "test_system.py",
    "test_systemd_journal.py",
    "test_tls.py",
    "test_torture.py",
    "test_torture_reload.py",
    "test_usertty.py",
    "test_walkthrough.py",
    "test_webhook.py",
    "test_worst_day.py",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that depend on the interpreter, before `-m` chooses among them."""
    for item in items:
        if item.path.name not in ANY_INTERPRETER:
            item.add_marker(pytest.mark.interpreter)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[StartEngine]:
    """Starts `inrush run` on a configuration in the test's own directory.

    Every engine that the test leaves running is stopped when the test ends; it must then exit with 0 and
    report totals that add up. No process outlives its test.
    """
    engines: list[Engine] = []

    def start(
        conf: str,
        *arguments: str,
        started: bool = True,
        name: str = "test.conf",
        env: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> Engine:
        path = tmp_path / name
        path.write_text(conf)
        engines.append(Engine(tmp_path, path, *arguments, env=env, prefix=prefix))
        if started:
            engines[-1].wait_started()
        return engines[-1]

    yield start
    failed: list[AssertionError] = []
    for running in engines:
        try:
            running.close()
        except AssertionError as error:
            failed.append(error)
    if failed:
        raise failed[0]


@pytest.fixture
def run_source(engine: StartEngine, tmp_path: Path) -> RunSource:
    """Runs a source until it has printed `done`, stops the engine, and returns what it printed."""

    def run(conf: str, **options: Any) -> list[str]:
        running = engine(conf, **options)
        running.wait_print(r"(?m)^done$")
        running.stop()
        return running.stdout.lines

    return run


@pytest.fixture
def delivered(tmp_path: Path) -> Delivered:
    """The lines that arrived in `out.log`."""
    return lambda: read_lines(tmp_path / "out.log")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka broker that keeps everything in memory, and that ends with the tests."""
    broker = Broker(tmp_path_factory.mktemp("kafka") / "broker.log", free_port())
    yield broker.address
    broker.close()


@pytest.fixture
def topic(kafka: str) -> str:
    """A topic of its own, with two partitions."""
    name = f"own-{next(NUMBERS)}"
    create_topic(kafka, name)
    return name
