"""The command `tuppence discover`."""

from pathlib import Path

from tests.conftest import Run


def test_drafts_are_files_that_check_and_test_as_rules(tuppence: Run, tmp_path: Path) -> None:
    tuppence("synth", "--store", "demo", "--customers", "150", "--months", "5")
    done = tuppence("discover", "--store", "demo", "--out", "drafts", "--most", "5")
    assert "5 drafts in drafts, from 150 customers with GBP as of 2026-06-30" in done.stdout
    paths = sorted((tmp_path / "drafts").iterdir())
    assert len(paths) == 5
    assert all(path.read_text().startswith("# A draft from `tuppence discover`") for path in paths)
    assert "5 rules, 0 errors" in tuppence("rules", "check", "drafts").stdout
    assert "10 test customers as expected, 0 not" in tuppence("rules", "test", "drafts").stdout


def test_drafts_are_never_written_over(tuppence: Run, tmp_path: Path) -> None:
    (tmp_path / "drafts").mkdir()
    done = tuppence("discover", "--store", "demo", "--out", "drafts", status=1)
    assert "error[discover.out]" in done.stderr
    assert list((tmp_path / "drafts").iterdir()) == []
