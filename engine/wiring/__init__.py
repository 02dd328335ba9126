"""Where concrete things meet: the one layer that knows actions, transports and stores by name."""
