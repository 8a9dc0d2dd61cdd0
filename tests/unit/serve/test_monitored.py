"""The monitor's newest numbers on `/metrics`, and that nothing in their file loses the server's."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from click import Context
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from churn.cli.main import cli
from churn.core.params import Params, ServeParams
from churn.monitor import reporting, textfile
from churn.serve import metrics
from churn.serve.access import Keys
from churn.serve.app import App
from churn.serve.monitored import FILE, STATES, Monitored
from tests.unit.monitor.reports import report
from tests.unit.serve.asgi import asked

GAUGE = "# TYPE churn_monitor_alarms gauge\nchurn_monitor_alarms"


def shown(path: Path | str | None, monitored: Monitored | None = None) -> dict[str, float]:
    """Return what `/metrics` shows, by series."""
    collector = monitored or Monitored(None if path is None else str(path))
    text = metrics.exposition(None, collector)[0].decode()
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def state(found: dict[str, float]) -> str:
    states = {name: found[f"{FILE}{[('state', name)]}"] for name in STATES}
    [(name, _)] = [item for item in states.items() if item[1]]
    assert sum(states.values()) == 1
    return name


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "monitor.prom"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_everything_that_the_monitor_writes_is_shown(tmp_path: Path) -> None:
    text = textfile.render(report(alarming=True))
    found = shown(written(tmp_path, text))
    assert state(found) == "shown"
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert found[f"{sample.name}{sorted(sample.labels.items())}"] == sample.value


def test_the_newest_is_shown(tmp_path: Path) -> None:
    path = written(tmp_path, f'{GAUGE}{{kind="data"}} 0\n')
    monitored = Monitored(str(path))
    key = "churn_monitor_alarms[('kind', 'data')]"
    assert shown(path, monitored)[key] == 0
    written(tmp_path, f'{GAUGE}{{kind="data"}} 2\n')
    assert shown(path, monitored)[key] == 2
    path.unlink()
    found = shown(path, monitored)
    assert key not in found
    assert state(found) == "absent"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"churn_monitor_alarms",
        f"{GAUGE} one\n",
        f"{GAUGE} 1\nchurn_monitor_al",  # half of a file
        f'{GAUGE}{{kind="data 1\n',
        f"{GAUGE} 1\n{GAUGE.partition(chr(10))[2]} 1\n",  # twice
        f"{GAUGE} 1 1000\n",  # with a time, which makes Prometheus take it as old
        "# TYPE churn_requests counter\nchurn_requests_total 1\n",  # the server's
        "# TYPE churn_rows gauge\nchurn_rows 1\n",
        "# TYPE churn_monitor_runs counter\nchurn_monitor_runs_total 1\n",
        f'# TYPE {FILE} gauge\n{FILE}{{state="shown"}} 1\n',
        f"{GAUGE} 1\n" + "# a comment\n" * 100_000,
    ],
)
def test_what_is_damaged_is_left_out_and_said_once(
    text: str | bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, text)
    monitored = Monitored(str(path))
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            found = shown(path, monitored)
    assert state(found) == "damaged"
    assert {name for name in found if FILE not in name} == set(shown(None))
    [line] = caplog.messages
    assert str(path) in line


def test_a_file_that_may_not_be_read_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "monitor.prom").mkdir()
    found = shown(tmp_path / "monitor.prom")
    assert state(found) == "damaged"
    assert set(shown(None)) < set(found)


_LINES = st.lists(
    st.one_of(
        st.sampled_from([GAUGE.partition("\n")[0], f"{GAUGE.partition(chr(10))[2]} 1"]),
        st.text(alphabet='# TYPEHLchurn_monit{}=",\\1.e+NaIf\t', max_size=40),
        st.text(max_size=20),
    ),
    max_size=6,
)


@pytest.mark.slow
@given(_LINES)
def test_whatever_is_in_it_the_servers_numbers_are_there(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"odd-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    text = "\n".join(lines).encode(errors="replace")
    found = shown(written(folder, text))
    assert set(shown(None)) <= set(found)
    assert state(found) in ("shown", "damaged")


def test_the_server_shows_the_file_of_its_settings(tmp_path: Path) -> None:
    path = written(tmp_path, textfile.render(report()))
    app = App(ServeParams(monitor=str(path)), Keys([]))
    assert b"\nchurn_monitor_customers 1200.0\n" in asked(app, "/metrics").body
    none = asked(App(ServeParams(monitor=None), Keys([])), "/metrics").body
    assert b"churn_monitor" not in none
    assert b"churn_requests_total" in none


def test_by_default_it_is_where_the_monitor_writes(settings: Params) -> None:
    command = cli.commands["monitor"]
    output = command.make_context("monitor", [], parent=Context(cli)).params["output"]
    assert settings.serve.monitor == ServeParams().monitor == str(output / reporting.TEXTFILE)
