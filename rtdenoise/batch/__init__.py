"""Folders of recordings: what is to do, the processes or the cluster that do it, and the journal to go on from."""
