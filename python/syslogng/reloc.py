"""The directory of the installation's files."""

from inrush import get_installation_path_for

__all__ = ["get_installation_path_for"]
