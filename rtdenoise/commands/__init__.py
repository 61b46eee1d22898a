"""What the command line does once it has read its options; `cli.py` holds the options."""
