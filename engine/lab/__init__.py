"""Simulators as real servers on loopback, in processes of their own."""
