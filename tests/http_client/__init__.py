"""Outgoing HTTP calls, through real clients against a server that misbehaves."""
