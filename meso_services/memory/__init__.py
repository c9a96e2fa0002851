"""The memory's library: engines that find documents, hybrid search, themes and maps."""
