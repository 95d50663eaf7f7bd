"""The demonstration: a small shop without a line of monitoring (shop.py, processes.py) is run under
`monagent run`, gets traffic, and what its endpoint says is printed as tables."""
