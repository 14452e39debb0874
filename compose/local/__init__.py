"""Real servers and our own services as plain processes: no container engine, no root, loopback only."""
