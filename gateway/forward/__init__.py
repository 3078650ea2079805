"""From a plan to an answer."""

from gateway.forward.forwarding import Forward, ForwardRules
from gateway.forward.recalls import ROUNDS, Recalls
from gateway.forward.streams import deadline_passed

__all__ = ["ROUNDS", "Forward", "ForwardRules", "Recalls", "deadline_passed"]
