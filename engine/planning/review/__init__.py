"""What a change of a runbook or an inventory means: two loaded models compared, key by key, each difference in a risk class."""
