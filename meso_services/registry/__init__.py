"""A registry of operons: what a client believes, and where its bytes come from. No service.

The metadata is TUF's, the client python-tuf's. The operon loader uses it through the
egress door; the operator's tools use it to check what they publish.
"""
