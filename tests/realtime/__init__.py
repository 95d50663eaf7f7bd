"""Connections that stay open, by libraries of their own."""
