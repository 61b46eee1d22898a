"""Hazard: rows that vanish, or figures without their conditions. The whole command runs, on small peers and data."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from small_peers import DELAY, end_on_silence, write_adapter, write_pairs

from benchmarks import metrics, peers, quality
from benchmarks.dataset import DataError, Pair, choose, load_pairs
from benchmarks.default_set import default_pairs
from benchmarks.tables import as_text, summarise


def main(*arguments):
    """The command, which starts each denoiser once."""
    return quality.main([*arguments, "--start-ups", "0"])


def test_the_command_writes_a_row_for_everybody_and_says_what_is_missing(tmp_path, capsys):
    data = write_pairs(tmp_path / "data", ["a_fan_snr+0", "b_car_snr+5"])
    adapters = tmp_path / "adapters"
    adapters.mkdir()
    write_adapter(adapters, "late", DELAY, settings={"delay": 200})
    write_adapter(adapters, "broken", "class Stream:\n    def process(self, s): return s * np.nan")
    given = ["--data", str(data), "--peers", "late,broken", "--adapters", str(adapters), "--processes", "1"]
    code = main(*given, "--json", str(tmp_path / "q.json"), "--keep", str(tmp_path / "kept"))
    assert code == 1
    text = capsys.readouterr().out
    for line in ("| noisy | 2 |", "| stream | 2 |", "| late | 2 |", "| broken | 0 | NaN, Inf or silence"):
        assert line in text
    assert "- broken: NaN, Inf or silence where clean speech went in" in text
    assert "SI-SDR by SNR\n\n|  | +0 dB | +5 dB |" in text
    assert "SI-SDR by noise\n\n|  | fan | car |" in text
    document = json.loads((tmp_path / "q.json").read_text())
    assert {"date", "commit", "machine", "versions"} <= set(document)
    rows = {row["name"]: row for row in document["rows"]}
    assert rows["late"]["cost"]["latency_ms"] == 22.5
    assert rows["late"]["scores"]["a_fan_snr+0"]["SI-SDR"] == pytest.approx(
        rows["noisy"]["scores"]["a_fan_snr+0"]["SI-SDR"]
    )
    assert document["conditions"]["b_car_snr+5"] == {"snr_db": 5.0, "noise": "car"}
    kept, _ = soundfile.read(tmp_path / "kept" / "late" / "a_fan_snr+0.flac")
    noisy, _ = soundfile.read(data / "noisy" / "a_fan_snr+0.wav")
    assert np.abs(kept - noisy.clip(-1, 1)).max() < 1e-4


def test_exit_code_0_when_everything_is_there(tmp_path, capsys):
    for package in ("pesq", "pystoi", "speechmos.dnsmos"):
        pytest.importorskip(package, reason="needs the extra [evaluate]")
    assert main("--peers", "none", "--limit", "1", "--processes", "1") == 0
    assert "Missing" not in capsys.readouterr().out


def test_without_network_and_with_files_that_do_not_match_the_rest_goes_on_and_exit_code_is_1(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(quality, "measure", lambda clean, estimate, wanted=(): ({"SI-SDR": 1.0}, {}))
    monkeypatch.setattr(quality, "_new_pool", lambda processes: ThreadPoolExecutor(1))
    monkeypatch.setenv("RTDENOISE_BENCHMARKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    data = write_pairs(tmp_path / "data", ["good", "longer"])
    soundfile.write(data / "noisy" / "longer.wav", np.ones(40000), 16000)
    adapters = tmp_path / "adapters"
    adapters.mkdir()
    write_adapter(adapters, "gone", DELAY, requirements=("no-such-denoiser==1.0",))
    write_adapter(adapters, "late", DELAY)
    given = ["--data", str(data), "--adapters", str(adapters)]
    assert main(*given, "--peers", "gone,late") == 1
    text = capsys.readouterr().out
    assert "| gone | 0 | not installed: No matching distribution found" in text
    assert "| late | 1 |" in text
    assert "- pair left out: longer.wav: clean has 32000 samples" in text
    assert main(*given, "--peers", "late") == 1
    soundfile.write(data / "noisy" / "longer.wav", np.ones(32000), 16000)
    assert main(*given, "--peers", "late") == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "nowhere"], "nowhere has no folder clean/"),
        (
            ["--peers", "nobody"],
            "there is no peer 'nobody'; give all, none, cached, or beginnings of: deepfilter",
        ),
        (["--peers", "none", "--json", "no/such/folder/x.json"], "No such file"),
    ],
)
def test_what_cannot_start_is_one_line_and_exit_code_1(arguments, says, capsys):
    assert quality.main(arguments) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_wrong_usage_is_exit_code_2():
    with pytest.raises(SystemExit) as stopped:
        quality.main(["--limit", "0"])
    assert stopped.value.code == 2


def test_a_model_that_is_not_there_is_a_row_that_says_so(capsys):
    found = quality.find_contestants(["nonsense"], "none", [peers.FOLDER])
    row = quality.Row("nonsense")
    assert not quality.run_peer(row, found[0], default_pairs()[:1], install=False)
    assert "there is no model 'nonsense'" in row.problems[0]


def test_measuring_processes_that_die_cost_one_row(tmp_path, monkeypatch):
    monkeypatch.setattr(quality, "measure", end_on_silence)
    path = write_adapter(
        tmp_path, "mute", "class Stream:\n    def process(self, s): return s * (s.std() < 0.02)", block=None
    )
    late = write_adapter(tmp_path, "late", DELAY)
    pairs = [replace(pair, clean=pair.clean / 10) for pair in default_pairs()[:2]]
    contestants = [peers.peer("mute", path, {}), peers.peer("late", late, {})]
    noisy, mute, alive = quality.compare(pairs, contestants, processes=1, start_ups=0)
    assert mute.problems[-1].startswith("a process that takes the measures was ended")
    assert not mute.scores
    assert len(noisy.scores) == len(alive.scores) == 2


def test_pairs_that_cannot_be_used_are_left_out_by_name(tmp_path):
    folder = write_pairs(tmp_path, ["good_snr-2.5", "short", "longer", "mute", "broken", "nan"])
    for name, samples in {"short": np.ones(100), "mute": np.zeros(32000), "nan": np.full(32000, np.nan)}.items():
        soundfile.write(folder / "clean" / f"{name}.wav", samples, 16000, "FLOAT")
        if name == "short":
            soundfile.write(folder / "noisy" / f"{name}.wav", samples, 16000, "FLOAT")
    soundfile.write(folder / "noisy" / "longer.wav", np.ones(32001), 16000, "FLOAT")
    (folder / "noisy" / "broken.wav").write_bytes(b"no audio")
    soundfile.write(folder / "noisy" / "alone.wav", np.ones(32000), 16000)
    soundfile.write(folder / "clean" / "widow.wav", np.ones(32000), 16000)
    pairs, left_out = load_pairs(folder)
    assert [(pair.name, pair.snr_db, pair.noise) for pair in pairs] == [("good_snr-2.5", -2.5, None)]
    for name, reason in {
        "short": "too short", "longer": "32000 samples at 16000 Hz, noisy 32001", "mute": "silent", "nan": "NaN or Inf",
        "broken": "noisy/broken.wav cannot be read", "alone": "no file of this name in clean/",
        "widow": "no file of this name in noisy/",
    }.items():  # fmt: skip
        assert reason in left_out[f"{name}.wav"]
    assert len(left_out) == 7


def test_a_folder_without_any_usable_pair_is_refused(tmp_path):
    folder = write_pairs(tmp_path, ["mute"])
    soundfile.write(folder / "clean" / "mute.wav", np.zeros(32000), 16000)
    with pytest.raises(DataError, match=r"no usable pair \(mute.wav: the clean reference is silent\)"):
        load_pairs(folder)


def test_other_sets_are_read_as_they_come(tmp_path):
    folder = write_pairs(tmp_path, ["p232_001", "clnsp1_train_69005_1_snr15_tl-21_fileid_158"])
    (folder / "clean" / "clnsp1_train_69005_1_snr15_tl-21_fileid_158.wav").rename(
        folder / "clean" / "clean_fileid_158.wav"
    )
    (folder / "log_testset.txt").write_text("file noise snr\n\np232_001 bus 12.5\np232_002 cafe 5\n")
    pairs, left_out = load_pairs(folder)
    assert not left_out
    assert {(pair.snr_db, pair.noise) for pair in pairs} == {(12.5, "bus"), (15.0, "train")}


def test_recordings_of_another_rate_become_16_khz(tmp_path):
    folder = write_pairs(tmp_path, ["a"])
    for kind in ("clean", "noisy"):
        time = np.arange(48000) / 48000
        soundfile.write(folder / kind / "a.wav", np.stack([np.sin(2 * np.pi * 440 * time)] * 2, axis=1) / 2, 48000)
    (pair,), _ = load_pairs(folder)
    assert len(pair.clean) == 16000
    assert np.argmax(np.abs(np.fft.rfft(pair.clean))) == 440


def test_a_limit_meets_every_condition_of_a_set_that_cycles_through_them():
    chosen = choose([*range(80)], 16)
    assert chosen == sorted(set(chosen)) == choose([*range(80)], 16)
    assert len(chosen) == 16
    assert {i % 5 for i in chosen} == {0, 1, 2, 3, 4}
    assert choose([*range(3)], 5) == choose([*range(3)], None) == [0, 1, 2]


def test_the_default_set_is_the_same_in_every_run_and_has_the_snr_that_it_says():
    pairs, again = default_pairs(), default_pairs()
    assert len({pair.name for pair in pairs}) == len(pairs) == 16
    for pair, other in zip(pairs, again, strict=True):
        assert np.array_equal(pair.noisy, other.noisy)
        snr_db = 10 * np.log10(np.sum(pair.clean**2) / np.sum((pair.noisy - pair.clean) ** 2))
        assert snr_db == pytest.approx(pair.snr_db, abs=0.05)


def test_measures_fail_one_by_one_and_say_why():
    clean = default_pairs()[0].clean
    scores, missing = metrics.measure(clean, np.zeros_like(clean))
    assert "SI-SDR" not in scores
    assert missing["SI-SDR"] == "ValueError: the output is silent"
    assert not set(scores) & set(missing)


def test_measures_know_better_from_worse():
    for package in ("pesq", "pystoi", "speechmos.dnsmos"):
        pytest.importorskip(package, reason="needs the extra [evaluate]")
    pair = default_pairs()[5]
    best, missing = metrics.measure(pair.clean, pair.clean)
    assert not missing
    worse, _ = metrics.measure(pair.clean, pair.noisy)
    assert set(best) == set(metrics.DECIMALS)
    for name in set(best) - {"SIG"}:  # typing beside speech does not change what DNSMOS thinks of the speech
        assert best[name] > worse[name], name
    assert best["PESQ-WB"] > 4.5
    assert best["STOI"] == pytest.approx(1, abs=1e-3)


def test_opinion_scores_are_those_that_speechmos_gives():
    dnsmos = pytest.importorskip("speechmos.dnsmos", reason="needs the extra [evaluate]")
    pair = default_pairs()[0]
    clean, noisy = (samples[:32000].astype(np.float64) for samples in (pair.clean, pair.noisy))
    ours = metrics.dnsmos(clean, noisy)
    theirs = dnsmos.run(noisy, 16000)
    assert ours == {key: theirs[f"{key.lower()}_mos"] for key in ours}


def row(name: str, **scores: float) -> quality.Row:
    return quality.Row(name, {file: {"SI-SDR": score} for file, score in scores.items()})


def test_differences_are_taken_over_the_files_that_both_have():
    pairs = [Pair(name, np.ones(16000, np.float32), np.ones(16000, np.float32)) for name in "abc"]
    rows = [row("noisy", a=1, b=2, c=3), row("ours", a=3, b=4), row("other", b=14, c=99)]
    summary = summarise(rows, pairs)
    assert summary["means"]["noisy"]["SI-SDR"]["mean"] == 2
    assert summary["differences"]["SI-SDR"]["noisy"]["mean"] == 2
    assert summary["differences"]["SI-SDR"]["other"] == {"mean": -10, "low": None, "high": None, "n": 1, "p": 1.0}
    assert "| other | - | - | - | - | -10.0 | - | - | - |" in as_text(quality.as_json(rows, pairs, {}, "data"))


def test_a_row_without_any_figure_stays_in_the_table():
    pairs = [Pair("a", np.ones(16000, np.float32), np.ones(16000, np.float32))]
    failed = quality.Row("ours", problems=["not installed: no network"], whole_file=True)
    text = as_text(
        quality.as_json([row("noisy", a=1), failed], pairs, {"x.wav": "no file of this name in clean/"}, "data")
    )
    assert "| ours (whole file) | 0 | not installed: no network |" in text
    assert "- ours: not installed: no network" in text
    assert "- pair left out: x.wav: no file of this name in clean/" in text
