// A row: one comparison, as `--json` prints it.

/**
 * Ours against the fastest of the peers.
 * @param what name, dtype, maxRatio (the bar), and a note if there is something to say
 * @param ours figures of takeTurns
 * @param peers figures of at least one
 */
export function rowOf(what, ours, peers) {
  const [peer, ...others] = [...peers].sort((a, b) => a.ms - b.ms);
  const notes = [what.note, ...others.map(({ name, ms }) => `${name} took ${short(ms)} ms`)].filter(Boolean);
  return {
    name: what.name,
    dtype: what.dtype,
    oursMs: short(ours.ms),
    peerMs: short(peer.ms),
    peer: peer.name,
    ratio: short(ours.ms / peer.ms),
    maxRatio: what.maxRatio,
    peakRssMB: Math.round(ours.peakRssMB),
    peerPeakRssMB: Math.round(peer.peakRssMB),
    oursRangeMs: [short(ours.lowMs), short(ours.highMs)],
    peerRangeMs: [short(peer.lowMs), short(peer.highMs)],
    oursCpuMs: short(ours.cpuMs),
    peerCpuMs: short(peer.cpuMs),
    oursParts: shortAll(ours.parts),
    peerParts: shortAll(peer.parts),
    note: notes.join('; '),
  };
}

/** Four significant digits. */
export function short(value) {
  return Number(value.toPrecision(4));
}

function shortAll(parts) {
  return Object.fromEntries(Object.entries(parts).map(([name, ms]) => [name, short(ms)]));
}
