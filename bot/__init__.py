"""Limner: paints with SDXL for people on Discord and Slack."""

__version__ = "0.1.0"
