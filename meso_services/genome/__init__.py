"""The genome, zooids and operons as values: read, checked, matched. No HTTP, no service.

The operon loader serves them, the generation renderer refuses a bad genome with
them, and the command line checks an operon with them.
"""
