"""Limner on Discord: commands, buttons, menus and replies become calls on the service, its events become messages."""
