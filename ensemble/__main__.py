"""`python -m ensemble` is `ensemble`."""

from ensemble.cli import main

main()
