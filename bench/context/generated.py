"""All sessions that are made from a seed."""

from __future__ import annotations

from bench.context import scenes_coding, scenes_data, scenes_logs, scenes_terminal
from bench.context.scenes import Draw
from bench.context.traces import Session

SEED = 2031


def generated(seed: int = SEED) -> list[Session]:
    """The same sessions for the same seed, of every kind of scene."""
    scenes = (scenes_logs, scenes_terminal, scenes_coding, scenes_data)
    return [session for n, scene in enumerate(scenes) for session in scene.sessions(Draw(seed + n))]
