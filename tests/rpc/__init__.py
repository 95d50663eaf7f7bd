"""Remote procedure calls, over real sockets."""
