"""Servers and services as plain processes: without a container engine or root, on loopback only."""
