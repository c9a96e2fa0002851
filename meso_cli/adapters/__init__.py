"""Platform adapters: the same identity on Claude Code, Pi, Goose and others.

To write one: a class in a module of this package that fulfils `base.Adapter`, and its row in
`rows.py`. It says which files a platform reads and what they hold; writing them, taking them
back and showing drift is done here for all of them.
"""
