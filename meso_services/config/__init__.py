"""The appliance's configuration: model, reading, checks, schema, rendering.

Imports only the standard library, pydantic, and the services' settings modules,
because the image build runs it with nothing else installed.
"""
