"""Deciding what is computed together.

A *task* is either a group of elementwise nodes of one shape, or one other operation.
Movement operations are read through views (``views.py``) and belong to no task, unless
a reshape has to move elements.

An elementwise node joins the groups of its operands whenever no path leads from such a
group to the node through another task: joining would then make the tasks wait for each
other in a circle.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from nervure.exec.cpu.expressions import cost_of
from nervure.exec.cpu.gemm_rows import gathered_rows
from nervure.exec.cpu.views import ANNOTATIONS, MOVEMENTS, view_of
from nervure.exec.cpu.window_tiles import can_note
from nervure.ir.build import rebuild
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.primitive import Fusion
from nervure.prims.contract import dot_axes, free_axes

# Reductions that may compute their operand while they read it.
REDUCTIONS = frozenset({"reduce_sum", "reduce_prod", "reduce_max", "reduce_min"})
# Operations that may compute the group that reads their result before they store it.
CONTRACTIONS = frozenset(
    {"dot", "conv", "conv_input_grad", "conv_kernel_grad", "window_max_grad"}
)
LEAVES = frozenset({"input", "buffer", "const"})
# Instructions of a group: a longer loop would not stay in the cache for instructions.
LARGEST_GROUP = 800

# They read other places of their operands than they write.
READ_ELSEWHERE = CONTRACTIONS | {"random_bits", "gather"}


class Task:
    """Nodes that one kernel, or one operation's kernels, compute.

    ``epilogue`` says that they are a contraction, the elementwise nodes that are
    computed on its result, and perhaps the gather that makes its left operand.
    """

    __slots__ = (
        "ancestors", "bit", "cost", "elementwise", "epilogue", "nodes", "number"
    )  # fmt: skip

    def __init__(self, number: int, node: Node, elementwise: bool) -> None:
        self.number = number
        self.nodes = [node]
        self.elementwise = elementwise
        self.cost = cost_of(node)
        self.epilogue = False
        self.bit = 1 << number  # this task's place in sets of tasks
        self.ancestors = 0  # a bit for each task that must come before


def is_elementwise(node: Node) -> bool:
    """Tell whether a node is computed element by element, counters included."""
    return node.op.fusion is Fusion.ELEMENTWISE or node.op.name == "iota"


def without_annotations(graph: Graph) -> Graph:
    """Return the graph without the nodes that show their first operand as it is."""
    if not any(node.op.name in ANNOTATIONS for node in graph.nodes):
        return graph
    plain = plain_nodes(graph)
    return Graph([plain[output] for output in graph.outputs], graph.inputs)


def plain_nodes(graph: Graph) -> dict[Node, Node]:
    """Return what each node is in the graph without annotations."""
    plain: dict[Node, Node] = {}
    for node in graph.nodes:
        if node.op.name in ANNOTATIONS:
            plain[node] = plain[node.inputs[0]]
            continue
        inputs = tuple(plain[operand] for operand in node.inputs)
        plain[node] = node if inputs == node.inputs else rebuild(node, inputs)
    return plain


def memory_root(node: Node) -> Node:
    """Return the node whose memory holds what ``node`` shows."""
    return view_of(node).root


class Tasks:
    """The tasks of a graph, in an order in which they can run.

    ``updates`` maps an input to the output that replaces it in an iteration.  Where the
    output can be written over the input, the pair is in :attr:`in_place`, and the order
    puts the writer behind all other readers.  Without ``fuse`` every node is a task.
    """

    def __init__(
        self,
        graph: Graph,
        updates: Mapping[Node, Node] | None = None,
        *,
        fuse: bool = True,
    ) -> None:
        self._fuse = fuse
        self._tasks: list[Task] = []
        self.task_of: dict[Node, Task] = {}
        for node in graph.nodes:
            self._place(node)
        if fuse:
            self._join_reductions(graph)
            self._join_epilogues(graph)
            self._join_gathers(graph)
        self.in_place = self._updates_in_place(graph, updates or {})
        self.order = self._ordered()

    def _updates_in_place(
        self, graph: Graph, updates: Mapping[Node, Node]
    ) -> dict[Node, Node]:
        """Return the updates whose result can be written over the old value."""
        chosen: dict[Node, Node] = {}
        for old, new in updates.items():
            if new not in chosen.values() and self._overwrite(graph, old, new):
                chosen[old] = new
        return chosen

    def _overwrite(self, graph: Graph, old: Node, new: Node) -> bool:
        """Let ``new`` be written over ``old`` if that is possible.

        It is where the writer is elementwise, or an epilogue, and reads ``old`` at the
        place it writes, and no other reader needs the writer's result first.
        """
        writer = self.task_of.get(new)
        if writer is None or not (writer.elementwise or writer.epilogue):
            return False
        inside = set(writer.nodes)
        results = set(graph.outputs)
        readers = 0
        pending = [old]
        while pending:
            shown = pending.pop()  # old, or a view of it
            if shown in results:
                return False  # copied to the outside after everything else
            for user in graph.users.get(shown, ()):
                task = self.task_of.get(user)
                if task is None:
                    pending.append(user)
                elif user in inside:
                    if shown is not old or user.op.name in READ_ELSEWHERE:
                        return False  # reads other places than it writes
                elif task.ancestors & writer.bit:
                    return False
                else:
                    readers |= task.bit | task.ancestors
        if readers & writer.bit:
            return False
        self._add_ancestors(writer, readers & ~writer.ancestors)
        return True

    def _place(self, node: Node) -> None:
        if node.op.name in LEAVES:
            return
        if node.op.name in MOVEMENTS and memory_root(node) is not node:
            return
        if not is_elementwise(node) or node.size == 0:
            self._new(node, elementwise=False)
            return
        groups = self._groups_to_join(node) if self._fuse else []
        if not groups:
            self._new(node, elementwise=True)
            return
        target = groups[0]
        for other in groups[1:]:
            self._merge(target, other)
        target.nodes.append(node)
        target.cost += cost_of(node)
        self.task_of[node] = target
        self._add_ancestors(target, self._needs(node) & ~target.bit)

    def _new(self, node: Node, elementwise: bool) -> None:
        task = Task(len(self._tasks), node, elementwise)
        task.ancestors = self._needs(node)
        self._tasks.append(task)
        self.task_of[node] = task

    def _needs(self, node: Node) -> int:
        """Return the tasks that must have run before ``node``, as bits."""
        bits = 0
        for operand in node.inputs:
            task = self.task_of.get(memory_root(operand))
            if task is not None:
                bits |= task.bit | task.ancestors
        return bits

    def _groups_to_join(self, node: Node) -> list[Task]:
        """Return the operands' groups that can become one with ``node``."""
        chosen: list[Task] = []
        outside = 0  # what must come before node and is not in a chosen group
        candidates: list[Task] = []
        cost = cost_of(node)
        for operand in node.inputs:
            task = self.task_of.get(memory_root(operand))
            if task is None:
                continue
            direct = operand in self.task_of and operand.shape == node.shape
            if node.op.name == "random_bits":
                direct = False  # the whole key is read before the first element
            if task.elementwise and direct:
                if task not in candidates:
                    candidates.append(task)
            else:
                outside |= task.bit | task.ancestors
        for task in candidates:
            others = outside
            for other in candidates:
                if other is not task:
                    others |= other.ancestors
            if not others & task.bit and cost + task.cost <= LARGEST_GROUP:
                chosen.append(task)
                cost += task.cost
            else:
                outside |= task.bit | task.ancestors
        # A group refused after another was chosen may lie behind that one.
        return [task for task in chosen if not outside & task.bit]

    def _merge(self, target: Task, other: Task) -> None:
        """Make two groups one."""
        target.nodes.extend(other.nodes)
        target.cost += other.cost
        for node in other.nodes:
            self.task_of[node] = target
        # No task may go on naming the other: the order counts the names.
        both = target.bit | other.bit
        ancestors = (target.ancestors | other.ancestors) & ~both
        for task in self._tasks:
            if task.ancestors & both:
                task.ancestors = task.ancestors & ~both | target.bit | ancestors
        target.ancestors = ancestors
        other.nodes = []

    def _add_ancestors(self, task: Task, bits: int) -> None:
        new = bits & ~task.ancestors
        if not new:
            return
        task.ancestors |= new
        for other in self._tasks:
            if other.ancestors & task.bit:
                other.ancestors |= new

    def _join_reductions(self, graph: Graph) -> None:
        """Let a reduction compute the group that only it reads, without storing it."""
        results = {memory_root(output) for output in graph.outputs}
        for node in graph.nodes:
            if node.op.name not in REDUCTIONS or node not in self.task_of:
                continue
            (operand,) = node.inputs
            group = self.task_of.get(operand)
            if group is None or not group.elementwise or operand in results:
                continue
            inside = {*group.nodes, node}
            closed = all(
                one not in results and all(user in inside for user in graph.users[one])
                for one in group.nodes
            )
            if closed:
                mine = self.task_of[node]
                self._merge(mine, group)
                mine.nodes.sort(key=lambda one: one is node)  # the reduction last

    def _join_epilogues(self, graph: Graph) -> None:
        """Let a contraction compute a group that reads its result, before it is stored.

        A group that reads several contractions is computed by the one with most to do.
        """
        results = {memory_root(output) for output in graph.outputs}
        found = [node for node in graph.nodes
                 if node.op.name in CONTRACTIONS and node.size]  # fmt: skip
        for node in sorted(found, key=lambda one: -one.inputs[0].size):
            group = self._epilogue_of(graph, node, results)
            if group is not None:
                self._merge(group, self.task_of[node])
                group.elementwise, group.epilogue = False, True

    def _join_gathers(self, graph: Graph) -> None:
        """Let a matrix product gather the rows of its left operand."""
        for node in graph.nodes:
            if node.op.name != "dot" or node not in self.task_of:
                continue
            rows = gathered_rows(node)
            first = None if rows is None else self.task_of.get(rows)
            mine = self.task_of[node]
            if first is None or len(first.nodes) > 1 or self._lies_between(first, mine):
                continue
            self._merge(mine, first)
            mine.elementwise, mine.epilogue = False, True

    def _epilogue_of(
        self, graph: Graph, node: Node, results: Container[Node]
    ) -> Task | None:
        """Return the group that a contraction can compute, None if there is none."""
        value = shown_as(node, graph.users)
        mine = self.task_of[node]
        for user in graph.users[value]:
            group = self.task_of.get(user)
            if group is None or not group.elementwise or user.shape != value.shape:
                continue
            inside = set(group.nodes)
            others = {
                operand for one in inside for operand in one.inputs
                if operand not in inside and memory_root(operand) is node
            }  # fmt: skip
            if others != {value}:
                continue  # some node reads the result at other places
            closed = node not in results and inside.issuperset(graph.users[value])
            if value is not node and not closed:
                continue  # only the transpose would be in memory
            if not self._lies_between(mine, group):
                return group
        return None

    def _lies_between(self, first: Task, last: Task) -> bool:
        """Tell whether a third task waits for ``first`` and ``last`` waits for it."""
        return any(
            last.ancestors & task.bit and task.ancestors & first.bit
            for task in self._tasks
            if task is not first
        )

    def noted_maxima(self, graph: Graph) -> dict[Node, Node]:
        """Return the gradients of maxima that are computed before: gradient -> maximum.

        The maximum can note for them which elements have won.
        """
        found: dict[Node, Node] = {}
        maxima = {
            (node.inputs[0], tuple(sorted(node.attrs.items()))): node
            for node in graph.nodes if node.op.name == "window_max" and node.size
        }  # fmt: skip
        for node in graph.nodes:
            if node.op.name != "window_max_grad" or not node.size:
                continue
            key = node.inputs[0], tuple(sorted(node.attrs.items()))
            first = maxima.get(key)
            if first is None or not can_note(node):
                continue
            if self.task_of[node].ancestors & self.task_of[first].bit:
                found[node] = first
        return found

    def _ordered(self) -> list[Task]:
        """Return the tasks, each after all its ancestors.

        A task has more ancestors than any task before it, so their number sorts them.
        """
        alive = [task for task in self._tasks if task.nodes]
        return sorted(alive, key=lambda task: (task.ancestors.bit_count(), task.number))


def shown_as(node: Node, users: Mapping[Node, Sequence[Node]]) -> Node:
    """Return the node by which a contraction's result is read.

    It is the transpose, if rows and columns of a ``dot`` change places for its only
    reader: gradients of weights are.
    """
    readers = users.get(node, ())
    if node.op.name != "dot" or len(readers) != 1 or readers[0].op.name != "transpose":
        return node
    batch, contract = dot_axes(node.attrs)
    rank = len(node.shape)
    x_rank = len(node.inputs[0].shape)
    columns = len(batch[0]) + len(free_axes(x_rank, batch[0], contract[0]))
    turned = (*range(len(batch[0])), *range(columns, rank),
              *range(len(batch[0]), columns))  # fmt: skip
    return readers[0] if readers[0].attrs["axes"] == turned else node


def needed_outside(
    nodes: Sequence[Node],
    users: Mapping[Node, Sequence[Node]],
    results: Container[Node],
) -> list[Node]:
    """Return those of a task's nodes that others read, or that hold results."""
    inside = set(nodes)
    return [
        node
        for node in nodes
        if node in results or any(user not in inside for user in users.get(node, ()))
    ]
