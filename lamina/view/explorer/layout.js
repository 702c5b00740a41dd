/* Places of all that is drawn, for any choice of what is open.

   Python lays out every level (the outermost, and the inside of each nested model or block) by
   itself, with what can be opened in it folded. It sends each level's ranks and nodes: boxes,
   labels, and the places where long lines pass. `arrange` gives what is open the size of its own
   level, moves its neighbours aside and its rank apart, and leaves straight what was straight.
   So ranks, order and crossings are those of a drawing of each level, any part can be open or
   folded at any time, and nothing overlaps. A level where nothing is open is Python's own. */
"use strict";

const model = JSON.parse(document.getElementById("model").textContent);
const gaps = model.gaps;
const boxes = new Map(model.boxes.map((box) => [box.id, box]));
const groups = new Map(model.groups.map((group) => [group.id, group]));
const things = [...model.groups, ...model.boxes];
const thing = (id) => boxes.get(id) ?? groups.get(id);
const open = new Set();

/** The groups around a thing, the outermost first. */
function around(id) {
  const chain = [];
  for (let at = thing(id).parent; at !== null; at = groups.get(at).parent) chain.unshift(at);
  return chain;
}

/** What stands for a thing in the picture: itself, or the folded group that it is in. */
const seen = (id) => around(id).find((group) => !open.has(group)) ?? id;

/** Places of all in a level, from (0, 0). */
function arrange(id) {
  const level = model.levels[id];
  const nodes = level.nodes.map(([rank, x, left, right, height, hangs, ref, label]) => {
    const node = { rank, x, left, right, height, hangs, ref, label, was: x };
    if (!open.has(ref)) return node;
    const inner = enclose(ref);
    return Object.assign(node, inner.size, { inner });
  });
  spread(level, nodes);
  const start = Math.min(Infinity, ...nodes.map((node) => node.x - node.left));
  for (const node of nodes) node.x -= start;
  const bands = along(level, nodes);
  for (const node of nodes) {
    const [top, bottom] = bands[node.rank], side = bottom - top > gaps.tall ? node.hangs : 0;
    node.y = (top + bottom + side * (bottom - top - node.height)) / 2;
  }
  const width = Math.max(0, ...nodes.map((node) => node.x + node.right));
  const still = !nodes.some((node) => node.inner);
  return { level, nodes, bands, width, height: bands.at(-1)?.[1] ?? 0, before: 0, after: 0, still };
}

/** Move nodes apart as little as possible, evenly to both sides. */
function spread(level, nodes) {
  // Nodes that a line joins straight move as one.
  const block = nodes.map((_, index) => index);
  const root = (i) => (block[i] === i ? i : (block[i] = root(block[i])));
  for (const { chain } of level.wires)
    for (let i = 1; i < chain.length; i++)
      if (nodes[chain[i]].x === nodes[chain[i - 1]].x) block[root(chain[i])] = root(chain[i - 1]);
  const last = [], pairs = [];  // neighbours in a rank
  for (const b of nodes.map((_, index) => index).sort((a, b) => nodes[a].x - nodes[b].x)) {
    const rank = nodes[b].rank, a = last[rank];
    last[rank] = b;
    if (a === undefined) continue;
    const between = gaps.across[!nodes[a].height + !nodes[b].height];
    pairs.push([a, b, nodes[a].right + between + nodes[b].left]);
  }
  // Pushing to the right keeps the distances, pushing to the left too, and so does their mean.
  const right = nodes.map((node) => node.x), left = [...right];
  for (const [a, b, gap] of pairs)
    right[root(b)] = Math.max(right[root(b)], right[root(a)] + gap);
  for (const [a, b, gap] of pairs.sort(([a], [b]) => nodes[b].x - nodes[a].x))
    left[root(a)] = Math.min(left[root(a)], left[root(b)] - gap);
  nodes.forEach((node, i) => { node.x = (right[root(i)] + left[root(i)]) / 2; });
}

/** Where each rank begins and ends: higher where something is open, wider gaps for wider curves. */
function along(level, nodes) {
  const wider = level.bands.map(() => 0);
  const heights = level.bands.map(([top, bottom]) => (bottom > top ? 1 : 0));
  for (const node of nodes) heights[node.rank] = Math.max(heights[node.rank], node.height);
  const room = (width) => Math.min(width * 0.1, 40);
  for (const { chain } of level.wires)
    for (let i = 1; i < chain.length; i++) {
      const [a, b] = [nodes[chain[i - 1]], nodes[chain[i]]];
      const more = room(Math.abs(a.x - b.x)) - room(Math.abs(a.was - b.was));
      wider[b.rank] = Math.max(wider[b.rank], more);
    }
  let y = 0;
  return level.bands.map(([top], rank) => {
    if (rank) y += top - level.bands[rank - 1][1] + wider[rank];
    return [y, (y += heights[rank])];
  });
}

/** A level with a border and a title around it, as a node of its parent. */
function enclose(id) {
  const inner = arrange(id), title = groups.get(id).title + 2 * gaps.padding;
  const at = (ports) => Object.values(ports).map((node) => inner.nodes[node].x);
  const entries = at(inner.level.entries), exits = at(inner.level.exits);
  const main = entries[0] ?? exits[0] ?? inner.width / 2;  // stays where it is when folded
  inner.inset = Math.max(gaps.padding, title - Math.min(...entries, title));
  inner.before = gaps.title;
  inner.after = exits.length ? 0 : gaps.padding;
  const width = Math.max(2 * inner.inset + inner.width, title);
  const left = inner.inset + main, height = inner.before + inner.height + inner.after;
  inner.size = { left, right: width - left, height };
  return inner;
}

/** Where a wire meets a node: a place on a box, or the port of what is open. */
function meeting(node, net, offset, side) {
  if (!node.inner) return node.x + offset;
  const { inset, nodes, level } = node.inner;
  return node.x - node.left + inset + nodes[level[side][net]].x;
}

/** The knots of a wire: straight through each rank, a curve across each gap; has it a head? */
function knots({ nodes, bands, height, before, after, still }, wire) {
  const chain = wire.chain.map((index) => nodes[index]), first = chain[0], last = chain.at(-1);
  const drawn = (node) => node.ref !== null && !node.inner;
  const head = drawn(last) ? gaps.arrow : 0, tail = wire.backward && drawn(first) ? gaps.arrow : 0;
  const x = chain.map((node) => node.x);
  const start = meeting(first, wire.net, wire.leave, "exits");
  const end = meeting(last, wire.net, wire.enter, "entries");
  // A line begins under its box, as round ones do not reach their corners.
  const under = drawn(first) ? 5 : 0;
  const points = [[start, first.ref === null ? -before : first.y + first.height / 2 - under]];
  for (let i = 1; i < chain.length; i++) {
    const [up, down] = still ? wire.eased[i - 1] : [0, 0], ends = i === chain.length - 1;
    const above = bands[chain[i - 1].rank][1] + (i === 1 ? tail : 0) - up;
    const below = bands[chain[i].rank][0] - (ends ? head : 0) + down;
    points.push([i === 1 ? start : x[i - 1], above], [ends ? end : x[i], below]);
  }
  points.push([end, last.ref === null ? height + after : last.y - last.height / 2]);
  if (wire.backward) points.reverse();
  return { points, headed: drawn(wire.backward ? first : last) };
}
