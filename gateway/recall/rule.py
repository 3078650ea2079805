"""Whether the model may ask for what was left out of its prompt.

Only what is the same in all requests of a conversation is looked at: a tool that comes or goes changes the prompt's
beginning, and with it all that the provider has cached.
"""

from __future__ import annotations

from typing import Literal

from gateway.api import ChatRequest, recall_pays

Mode = Literal["auto", "always", "never"]


def offered(request: ChatRequest, mode: Mode) -> bool:
    """Whether the tool is put into the request's prompt."""
    if mode == "never" or not request.hints.recall or request.body.get("n") not in (None, 1):
        return False
    return recall_pays(request.tools, request.parts, always=mode == "always")
