"""The SDK's unit tests: `PYTHONPATH=src python3 -m unittest`. They know the public names only."""
