"""Templates used from Python."""

from inrush import LTZ_LOCAL, LTZ_SEND, LogTemplate, LogTemplateException, LogTemplateOptions

__all__ = ["LTZ_LOCAL", "LTZ_SEND", "LogTemplate", "LogTemplateException", "LogTemplateOptions"]
