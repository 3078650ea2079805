"""Putting the gateway together from a configuration, running it, and reloading it."""

from gateway.compose.assembly import Gateway
from gateway.compose.plugins import Loaded, known_plugins, load_config, load_plugins
from gateway.compose.serve import serve

__all__ = ["Gateway", "Loaded", "known_plugins", "load_config", "load_plugins", "serve"]
