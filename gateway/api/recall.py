"""The tool by which a model asks for what an edit left out. The gateway answers it; no caller ever sees it called."""

from __future__ import annotations

from gateway.api.values import Json

RECALL = "recall"
"""The tool's name."""


def recall_tool() -> Json:
    """Its definition, as it stands last in `tools`: always the same bytes, and few, for every request carries them."""
    return {
        "type": "function",
        "function": {
            "name": RECALL,
            "description": "Read what was left out",
            "parameters": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "lines": {"type": "string", "description": "from-to"},
                    "pattern": {"type": "string"},
                },
                "required": ["id"],
            },
        },
    }
