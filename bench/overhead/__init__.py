"""What the gateway costs a request, against a bare relay in the same run: `python -m bench.overhead`."""
