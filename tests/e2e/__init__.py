"""The whole chain: a command under `monagent run`, real servers and workers, one endpoint."""
