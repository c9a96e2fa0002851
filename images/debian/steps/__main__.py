"""Runs one step: `python3 -I DIRECTORY STEP`. The step's input is the JSON file `$specPath`."""

import importlib
import sys

importlib.import_module(sys.argv[1]).main()
