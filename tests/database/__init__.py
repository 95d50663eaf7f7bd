"""Databases: SQLAlchemy, drivers and pools, against real servers and files."""
