"""How much the limit on open descriptors allows; 64 are enough."""

from __future__ import annotations

import resource


def budget() -> tuple[int, int]:
    """How many connections and how many open shards the limit on descriptors allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            pass
    if soft == resource.RLIM_INFINITY or soft > 4096:
        soft = 4096
    spare = max(8, soft - 32)
    connections = min(128, spare // 2)
    return connections, min(512, spare - connections)
