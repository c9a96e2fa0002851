"""The services' tables, each owned by its service's `settings.py`."""

from __future__ import annotations

from meso_services.api_proxy.settings import Settings as ApiProxy
from meso_services.embed.settings import Settings as Embed
from meso_services.mcp.settings import Settings as Mcp
from meso_services.memory_manager.settings import Settings as MemoryManager
from meso_services.mind_runner.settings import Settings as MindRunner
from meso_services.operon_loader.settings import Settings as OperonLoader
from meso_services.runtime.settings import Model, ServiceSettings, table
from meso_services.session_manager.settings import Settings as SessionManager
from meso_services.tool_executor.settings import Settings as ToolExecutor


class Services(Model):
    """`[services]`."""

    session_manager: SessionManager = table(SessionManager, "Sessions, branches, checkpoints.")
    memory_manager: MemoryManager = table(MemoryManager, "What the instance remembers.")
    tool_executor: ToolExecutor = table(ToolExecutor, "Tools, run in a sandbox.")
    operon_loader: OperonLoader = table(OperonLoader, "Genome, zooids and operons.")
    api_proxy: ApiProxy = table(ApiProxy, "The only service that reaches the network.")
    mind_runner: MindRunner = table(MindRunner, "Minds and their thinking pools.")
    embed: Embed = table(Embed, "The local embedding model, started on demand.")
    mcp: Mcp = table(Mcp, "The appliance for MCP clients, started on demand.")

    def by_id(self) -> dict[str, ServiceSettings]:
        """Service id, as in unit and socket names (`session-manager`) → its settings."""
        return {name.replace("_", "-"): getattr(self, name) for name in type(self).model_fields}
