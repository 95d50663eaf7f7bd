"""Metrics of the application's own that MONAGENT_ADOPT has served too."""
