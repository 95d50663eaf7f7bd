"""What servers are made of: workers that come and go, accepted connections, queues and threads."""
