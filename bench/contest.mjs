// One comparison from start to end: the sides are made ready, checked to have the same work, take turns, and end.
import { BenchError } from './benchError.mjs';
import { takeTurns } from './turns.mjs';

/**
 * Figures of ours and of each peer, measured in turns.
 * @param sides { ours, peers }, started; they are ended when this settles
 * @param options what all are told to prepare
 * @param pace as takeTurns has it
 * @returns { ours, peers, note }: figures with baseRssMB, and why an optional peer is missing
 * @throws BenchError when a side fails, or when what the sides say of their work differs
 */
export async function contest({ ours, peers }, options, pace) {
  const ready = [];
  const notes = [];
  try {
    for (const side of [ours, ...peers]) {
      try {
        const { baseRssMB, ...work } = await side.prepare(options);
        ready.push({ side, baseRssMB, work });
      } catch (error) {
        if (!side.isOptional || !(error instanceof BenchError)) throw error;
        side.close();
        notes.push(firstAndLastLine(error.message));
      }
    }
    requireSameWork(ready);
    const figures = await takeTurns(
      ready.map(({ side }) => side),
      pace,
    );
    const [own, ...others] = figures.map((figure, i) => ({ ...figure, baseRssMB: ready[i].baseRssMB }));
    return { ours: own, peers: others, note: notes.join('; ') };
  } finally {
    for (const side of [ours, ...peers]) side.close();
  }
}

/** What each says of its work (parameters, photos, first loss) must be what ours says. */
function requireSameWork([first, ...others]) {
  for (const { side, work } of others) {
    const name = Object.keys(first.work).find((key) => !isSame(work[key], first.work[key]));
    if (name === undefined) continue;
    throw new BenchError(
      `bench: all sides must have the same work, got ${name} ${first.work[name]} for ${first.side.name} and ${work[name]} for ` +
        `${side.name}; correct bench/peers, then run the same command again`,
    );
  }
}

const TOLERANCE = 1e-4; // relative: the same sums in float32, in another order

/** Counts are equal; what was computed is, but for rounding. */
function isSame(value, expected) {
  if (Number.isInteger(expected)) return value === expected;
  return Math.abs(value - expected) <= TOLERANCE * Math.abs(expected);
}

/** A trace of Python says what failed in its last line. */
function firstAndLastLine(text) {
  const lines = text.split('\n');
  return lines.length > 1 ? `${lines[0]} ... ${lines.at(-1)}` : text;
}
