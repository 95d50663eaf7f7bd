"""What monagent costs, measured in one run against the bare program and against the peers.

`make bench` runs everything, `make bench ONLY=hello` one part.  A new row is an entry in
scenarios.py and, for a new program, a file in apps/.
"""
