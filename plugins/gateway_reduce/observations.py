"""Tool results that agents without tool calls carry in the user's messages, by the frames they put round them.

Only a message that is nothing but a frame and what stands in it is recognised; the frame's own words stay. Files that
an agent puts into the conversation to edit them by their exact text (aider's) are not results, and stay as they are.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SHORTEST = 400  # characters of a message: less is not worth looking at

# Each with what stands in the frame as its only group; all are anchored at the message's beginning and end.
_FRAMES = (
    ("Observation:", re.compile(r"Observation:\s?(.*)\Z", re.DOTALL)),  # smolagents, ReAct prompts
    ("Call id:", re.compile(r"Call id: [^\n]{1,80}\nObservation:\s?(.*)\Z", re.DOTALL)),  # smolagents with call ids
    ("OBSERVATION:", re.compile(r"OBSERVATION:\s?(.*)\Z", re.DOTALL)),  # SWE-agent without tool calls
    # mini-swe-agent
    ("<returncode>", re.compile(r"<returncode>-?\d+</returncode>\s*<output>\n?(.*?)\n?</output>\s*\Z", re.DOTALL)),
    # Cline and its kin
    ("[", re.compile(r"\[(?:read_file|execute_command|search_files|list_files|list_code_definition_names|use_mcp_tool|"
                     r"browser_action)[^\n]{0,400}\] Result:\n(.*)\Z", re.DOTALL)),
    # OpenHands without tool calls
    ("EXECUTION RESULT of [", re.compile(r"EXECUTION RESULT of \[[\w.-]{1,80}\]:\n(.*)\Z", re.DOTALL)),
)  # fmt: skip


class Frame(NamedTuple):
    """The words before and after what was observed, and that itself."""

    before: str
    observed: str
    after: str


def framed(text: str) -> Frame | None:
    """A message as a frame; `None` where it is none, or too short to matter."""
    if len(text) < SHORTEST:
        return None
    for sign, expression in _FRAMES:
        if text.startswith(sign):
            found = expression.match(text)
            if found is not None:
                start, end = found.span(1)
                return Frame(text[:start], text[start:end], text[end:])
    return None
