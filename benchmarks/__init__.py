"""What is measured, against which peer, and how to repeat it: see README.md."""
