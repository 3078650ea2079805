"""The way out: calls any deployment of any provider. The only room that imports litellm."""

from gateway.upstream.answers import Streamed, Timeouts, Whole
from gateway.upstream.local import local_available
from gateway.upstream.upstreams import Upstreams

__all__ = ["Streamed", "Timeouts", "Upstreams", "Whole", "local_available"]
