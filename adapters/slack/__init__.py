"""Slack: commands, shortcuts, mentions, buttons and the home tab."""
