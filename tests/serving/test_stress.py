"""No call is lost and none answered wrongly while workers are killed, and the check of that notices."""

from __future__ import annotations

from hermpkg_build.serving import Pool
from tests.serving.stress import make_artifact, stress


def test_every_call_has_the_right_answer_while_workers_are_killed(tmp_path):
    outcome = stress(make_artifact(str(tmp_path / "app.pt")), 400, pause=0.01)
    assert (outcome.lost, outcome.wrong) == (0, 0)
    assert outcome.killed > 3


def test_lost_and_wrong_answers_are_noticed(tmp_path, monkeypatch):
    """A control: without retries calls are lost, and a pool that answers anything is found out."""
    monkeypatch.setattr(Pool, "call", lambda *args, **options: (0, b""))
    assert stress(make_artifact(str(tmp_path / "app.pt")), 50).wrong == 50
