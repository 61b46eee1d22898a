"""Hazard: a page, a README or a comparison that says something else than the measurements, or hides what failed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import benchmarks
from benchmarks import figures, page, report
from benchmarks.figures import Figure

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / page.RESULTS


#: A row that says why it is none, with a sound server or without.
_LATENCY = ["--rate", "48000", "--latency", "low", "--program", "dry", "--model", "nonsense", "--seconds", "1"]


def write_figures():
    spec = importlib.util.spec_from_file_location("write_figures", ROOT / "tools" / "write_figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_results_say():
    """After a change of the texts: python -m benchmarks.report --no-run"""
    assert (ROOT / "BENCHMARKS.md").read_text(encoding="utf-8") == page.page(RESULTS)
    for name in json.loads((RESULTS / "report.json").read_text())["pictures"]:
        assert (RESULTS / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_readme_has_the_figures_of_the_results():
    """After a new report: python tools/write_figures.py"""
    module = write_figures()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert module.filled(text) == text
    assert text.count("<!-- figure:") >= 2
    with pytest.raises(KeyError):
        module.filled("<!-- figure: nonsense -->1<!-- /figure -->")


def test_a_figure_that_drifted_is_found_and_written_anew(tmp_path, monkeypatch, capsys):
    module, file = write_figures(), tmp_path / "README.md"
    file.write_text("x <!-- figure: engine latency -->999 ms<!-- /figure --> y")
    monkeypatch.setattr(module, "PAGES", [file])
    assert module.main(["--check"]) == 1
    assert "README.md: not the figures" in capsys.readouterr().out
    assert module.main([]) == 0
    assert file.read_text() == "x <!-- figure: engine latency -->16 ms<!-- /figure --> y"
    assert module.main(["--check"]) == 0


def test_parts_that_fail_are_said_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    how = {"alignment": ["--model", "nonsense"], "scaling": ["--wrong"], "latency": _LATENCY}
    how["hop_time"] = ["--seconds", "0.1", "--runs", "0", "--rate", "16000", "--model", "stream"]
    monkeypatch.setattr(report, "QUICK", how)
    assert report.main(["--quick", "--output", str(tmp_path)]) == 1
    text = capsys.readouterr().out
    assert text.strip() == (tmp_path / "BENCHMARKS.md").read_text().strip()
    assert "- alignment: Not measured: error: there is no model 'nonsense'" in text
    assert "- scaling: Not measured: " in text
    assert "unrecognized arguments: --wrong" in text
    assert "- latency: Something is missing or wrong, see below." in text
    assert "**left out**" in text  # quality
    assert "A quick run on little data" in text
    assert "| stream, 16000 Hz, hot |" in text
    results = page.load_results(tmp_path / page.RESULTS)
    assert set(results) == {"report", "hop_time", "latency"}
    assert results["report"]["parts"]["scaling"]["exit_code"] == 2
    assert {"date", "commit", "machine", "versions"} <= set(results["hop_time"])
    assert report.main(["--no-run", "--output", str(tmp_path)]) == 1
    before = (tmp_path / "BENCHMARKS.md").read_text()
    assert capsys.readouterr().out.strip() == before.strip()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--compare", "nowhere.json"], "No such file"),
        (["--compare", "nothing.json"], "nothing.json holds no results of a benchmark"),
        (["--compare", "broken.json"], "Expecting value"),
        (["--no-run"], "there are no results in"),
    ],
)
def test_what_cannot_start_is_one_line_and_exit_code_1(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("nothing.json").write_text("{}")
    Path("broken.json").write_text("")
    assert report.main([*arguments, "--output", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_without_matplotlib_there_are_no_pictures_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(report.sys.modules, "matplotlib", None)
    monkeypatch.delitem(report.sys.modules, "benchmarks.plots", raising=False)
    monkeypatch.delattr(benchmarks, "plots", raising=False)
    made, problems = report.draw(tmp_path, tmp_path)
    assert (made, len(problems)) == ([], 1)
    assert "is not installed" in problems[0]


def test_nothing_changed_when_nothing_changed():
    results = page.load_results(RESULTS)
    text = report.changes(results, json.loads(json.dumps(results)))
    assert text.endswith("figures are what they were, within noise; 0 are not.")
    assert int(text.split()[0]) > 20


def test_what_changed_is_told_with_its_direction():
    results = page.load_results(RESULTS)
    slower = json.loads(json.dumps(results))
    for row in slower["hop_time"]["rows"]:
        if row["rate"] == 8000 and row["pace"] == "hot":
            row["p50_of_rounds_us"] = [3 * us for us in row["p50_of_rounds_us"]]
    slower["scaling"]["files"]["1"] = [2 * speed for speed in slower["scaling"]["files"]["1"]]
    text = report.changes(results, slower)
    assert "| hop stream 8000 Hz hot, us |" in text
    assert "| 3x |" in text
    assert "| worse |" in text
    assert "| files, 1 processes |" in text
    assert "| better |" in text
    del slower["hop_time"]["rows"][0]
    assert "Not measured any more: hop stream" in report.changes(results, slower)


def test_noise_is_no_change_and_change_is_no_noise():
    rng = np.random.default_rng(0)
    times = [Figure(list(100 + 5 * rng.standard_normal(5))) for _ in range(40)]
    assert sum(figures.compare(a, b).beyond_noise for a, b in zip(times[::2], times[1::2], strict=True)) <= 2
    faster = figures.compare(times[0], Figure([80.0, 81.0, 79.0, 80.5, 80.2]))
    assert faster.beyond_noise
    assert faster.better
    assert faster.low < 0.81 < faster.high
    assert not figures.compare(Figure([100.0]), Figure([103.0])).beyond_noise
    once = figures.compare(Figure([100.0]), Figure([120.0], higher_is_better=True))
    assert (once.beyond_noise, once.better, once.low) == (True, True, None)


def test_scores_are_compared_recording_by_recording():
    names = [f"r{i}" for i in range(20)]
    scores = np.random.default_rng(1).normal(2, 1, 20)
    old = Figure(list(scores), names, higher_is_better=True)
    change = figures.compare(old, Figure(list(scores[::-1] - 0.1), names[::-1], higher_is_better=True))
    assert change.change == pytest.approx(-0.1)
    assert (change.beyond_noise, change.better) == (True, False)
    assert not figures.compare(old, Figure(list(scores + 1e-4), names, higher_is_better=True)).beyond_noise
    assert figures.compare(old, Figure([1.0], ["other"], higher_is_better=True)) is None
