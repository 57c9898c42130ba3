"""A folder of trials: what goes on, and what does not fit together."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.tune.folder import Folder, digest
from tests.unit.bench.tune.made import MACHINE, RUN, done
from tools.errors import OperatorError


def begun(path: Path) -> Folder:
    folder = Folder(path / "out")
    folder.keep(RUN, fresh=False)
    folder.add(done(1))
    folder.add(done(2, {"linger.ms": "5"}))
    return folder


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    run, dones = begun(tmp_path).begin(RUN, fresh=False)

    assert run == RUN
    assert dones == [done(1), done(2, {"linger.ms": "5"})]


def test_a_line_that_was_not_finished_is_left_out_and_written_over(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    with (folder.path / "trials.jsonl").open("ab") as lines:
        lines.write(b'{"number": 3, "tri')

    assert len(folder.trials()) == 2
    folder.add(done(3))
    assert [one.number for one in folder.trials()] == [1, 2, 3]


def test_another_budget_goes_on_with_the_window_that_there_is(tmp_path: Path) -> None:
    longer = msgspec.structs.replace(RUN, window_s=9)

    run, _ = begun(tmp_path).begin(longer, fresh=False)
    assert run.window_s == RUN.window_s


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rate": 6_000}, "RATE was 5000 and is 6000"),
        ({"batch": 1}, "BATCH was 10 and is 1"),
        ({"sampled": 1}, r"SAMPLED was 0\.02 and is 1"),
        ({"code": "badcafe"}, r"code was c0ffee \(commit abc1234\) and is badcafe"),
        ({"machine": msgspec.structs.replace(MACHINE, cores=4)}, "cores was 2 and is 4"),
        (
            {"machine": msgspec.structs.replace(MACHINE, versions={"Python": "3.12"})},
            r"Python was 3\.11 and is 3\.12",
        ),
    ],
)
def test_trials_of_other_conditions_are_refused_and_named(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    other = msgspec.structs.replace(RUN, **changed)
    folder = begun(tmp_path)

    with pytest.raises(OperatorError, match=f"{said}.*FRESH=1"):
        folder.begin(other, fresh=False)
    assert folder.begin(other, fresh=True) == (other, [])


def test_the_same_on_another_day_goes_on(tmp_path: Path) -> None:
    later = msgspec.structs.replace(MACHINE, date="2027-01-01", load_average=3.0)

    _, dones = begun(tmp_path).begin(msgspec.structs.replace(RUN, machine=later), fresh=False)
    assert len(dones) == 2


def test_a_fresh_run_forgets_what_was_there(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.keep(RUN, fresh=True)

    assert folder.trials() == []


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(OperatorError, match="not of a tuning run"):
        Folder(tmp_path).begin(RUN, fresh=True)


def test_the_digest_is_of_the_code_and_of_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "libs" / "one.py"
    source.parent.mkdir()
    source.write_text("a = 1\n")
    before = digest(tmp_path)
    (tmp_path / "libs" / "note.txt").write_text("a note")

    assert digest(tmp_path) == before
    source.write_text("a = 2\n")
    assert digest(tmp_path) != before
