// Turns: ours, peer, ours, peer ... and the figures that come of them.

/**
 * Lets warm sides take turns, so that whatever else the machine does meets all of them.
 * @param sides prepared ones; every other round begins with the last
 * @param pace rounds, the length of a turn (at least one time), and how long each side warms up before the first
 * @returns per side, in order: { name, ms, lowMs, highMs, cpuMs, peakRssMB, parts }; medians, quartiles, the last peak
 */
export async function takeTurns(sides, { rounds, turnMs, warmMs }) {
  const players = [];
  for (const side of sides) players.push({ side, times: await warmUp(side, turnMs, warmMs), turns: [] });
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? players : [...players].reverse();
    for (const { side, times, turns } of order) turns.push(await side.run(times));
  }
  return players.map(({ side, times, turns }) => figuresOf(side.name, turns, times));
}

/** Runs a side until `warmMs` have passed (compilers of V8 and allocators learn); resolves to the times that fill a turn. */
async function warmUp(side, turnMs, warmMs) {
  let [times, usedMs] = [1, 0];
  while (usedMs < warmMs) {
    const { ms } = await side.run(times);
    usedMs += ms.reduce((sum, value) => sum + value);
    times = Math.max(1, Math.round(turnMs / median(ms)));
  }
  return times;
}

function figuresOf(name, turns, times) {
  const ms = turns.flatMap((turn) => turn.ms);
  const parts = turns.flatMap((turn) => turn.parts);
  return {
    name,
    ms: median(ms),
    lowMs: quantile(ms, 0.25),
    highMs: quantile(ms, 0.75),
    cpuMs: median(turns.map((turn) => turn.cpuMs / times)),
    peakRssMB: turns.at(-1).peakRssMB,
    parts: Object.fromEntries(Object.keys(parts[0]).map((part) => [part, median(parts.map((all) => all[part]))])),
  };
}

export function median(values) {
  return quantile(values, 0.5);
}

/** Linear between the two nearest, as NumPy has it. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)];
  return below + (at - Math.floor(at)) * (sorted[Math.ceil(at)] - below);
}
