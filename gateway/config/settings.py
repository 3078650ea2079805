"""A plugin's settings, checked by the plugin's own schema, with problems at the lines of the file."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gateway.config.problems import ConfigError
from gateway.config.source import Source
from gateway.config.values import PluginEntry
from gateway.config.wording import problems as worded

SettingsT = TypeVar("SettingsT", bound=BaseModel)


def settings_of(source: Source, entry: PluginEntry, schema: type[SettingsT]) -> SettingsT:
    """Raises `ConfigError` with every problem at its line and column."""
    try:
        return schema.model_validate(dict(entry.settings))
    except ValidationError as error:
        raise ConfigError(worded(error, source, schema, entry.path)) from None
