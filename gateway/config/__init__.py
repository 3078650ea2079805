"""tiers.yaml to frozen values, or to all of its problems, each with line, column and what was expected."""

from gateway.config.loader import find, load, shipped
from gateway.config.problems import ConfigError, Problem, Spot, did_you_mean
from gateway.config.settings import settings_of
from gateway.config.values import DEFAULT_BUDGET, Budget, Config, Draft, PluginEntry, Server, VirtualKey, digest
from gateway.config.vocabulary import listed

__all__ = [
    "DEFAULT_BUDGET",
    "Budget",
    "Config",
    "ConfigError",
    "Draft",
    "PluginEntry",
    "Problem",
    "Server",
    "Spot",
    "VirtualKey",
    "did_you_mean",
    "digest",
    "find",
    "listed",
    "load",
    "settings_of",
    "shipped",
]
