"""What things cost, beside a floor and beside the peers. Run by ``make bench``; never collected as tests."""
