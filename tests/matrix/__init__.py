"""One table of scenarios, held by every framework under every server that can serve it."""
