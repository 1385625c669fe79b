"""What bench/compare.py and bench/scenarios.py are made of. Standard library only."""
