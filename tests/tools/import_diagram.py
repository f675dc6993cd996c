"""Prints the packages of vmnet_monai and their imports as a Mermaid diagram; ``--update`` puts it into CONTRIBUTING.md.

An arrow leads from a package to one that it imports. Arrows that others imply are left out: where A imports B and B
imports C, an import of C by A is not drawn.
"""

from __future__ import annotations

import re
from pathlib import Path

import grimp
import networkx as nx
from generated_block import print_or_update

PACKAGE = "vmnet_monai"
PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
BLOCK = re.compile(r"(?<=```mermaid\n).*?(?=```)", flags=re.DOTALL)


def imports() -> nx.DiGraph:
    """Graph of the packages and modules directly under the package, with an edge to each one that is imported."""
    modules = grimp.build_graph(PACKAGE)
    graph = nx.DiGraph()
    graph.add_nodes_from(child.removeprefix(f"{PACKAGE}.") for child in modules.find_children(PACKAGE))
    for importer in modules.modules:
        for imported in modules.find_modules_directly_imported_by(importer):
            ends = [module.split(".")[1:2] for module in (importer, imported)]
            if all(ends) and ends[0] != ends[1]:
                graph.add_edge(ends[0][0], ends[1][0])
    return graph


def diagram(graph: nx.DiGraph) -> str:
    """Mermaid text of a graph, sorted, so that the same imports give the same text.

    Raises:
        networkx.NetworkXError: if the imports go round in a circle.
    """
    alone = [f"    {node}" for node in sorted(nx.isolates(graph))]
    arrows = [f"    {importer} --> {imported}" for importer, imported in sorted(nx.transitive_reduction(graph).edges)]
    return "\n".join(["flowchart TD", *alone, *arrows, ""])


if __name__ == "__main__":
    print_or_update(__doc__, PAGE, BLOCK, diagram(imports()))
