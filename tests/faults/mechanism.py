"""Rows that need no stack: what a contract test shows of a mechanism, in the same table."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.faults.scene import Result
from tests.faults.verdict import GREEN, INVALID, RED

ROOT = Path(__file__).parents[2]
_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One line of the table that is a test.

    Each case of the test records the properties `times`, `acked` and `lost`. There is no store
    behind it, so nothing of it can be doubled there.
    """

    name: str
    fault: str
    test: str
    is_p0: bool = True


MECHANISMS = (
    Mechanism(
        "F34",
        "error codes for each request of a hop",
        "tests/contract/test_error_codes.py"
        "::test_a_code_is_lived_through_or_ends_the_hop_and_no_record_is_skipped",
    ),
)


def play(row: Mechanism, folder: Path) -> Result:
    """Run the test to its end; what it printed stays in `folder`."""
    began = time.monotonic()
    told = folder / f"{row.name}.xml"
    done = subprocess.run(  # noqa: S603  (our own command)
        [
            sys.executable, "-m", "pytest", "-q", row.test,
            "-o", "junit_family=xunit1", f"--junitxml={told}",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_S, check=False,
    )  # fmt: skip
    (folder / f"{row.name}.log").write_text(done.stdout + done.stderr)
    result = Result(row.name, row.fault, verdict=_verdict(told, done.returncode))
    result.took_s = time.monotonic() - began
    return result


def _verdict(told: Path, code: int) -> dict[str, object]:
    counts: Counter[str] = Counter()
    failed: list[str] = []
    for case in ElementTree.parse(told).iter("testcase") if told.exists() else ():  # noqa: S314  (our own file)
        for found in case.iter("property"):
            counts[found.attrib["name"]] += int(found.attrib["value"])
        failed += [case.attrib["name"] for _ in (*case.iter("failure"), *case.iter("error"))]
    is_empty = not counts["acked"]
    return {
        "verdict": RED if code else INVALID if is_empty else GREEN,
        "findings": [{"checker": "pytest", "examples": failed}] if code else [],
        "invalid": ["the test has counted nothing"] if is_empty else [],
        "faults": counts["times"],
        "acked": counts["acked"],
        "lost": counts["lost"],
        "doubled": None,
        "recovery_s": None,
    }
