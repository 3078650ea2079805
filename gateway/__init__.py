"""Thriftgate: an OpenAI-compatible gateway that makes agents cheaper without making them worse."""

__version__ = "0.1.0"
