"""Events to console, JSON lines, HTML, CSV and JUnit."""
