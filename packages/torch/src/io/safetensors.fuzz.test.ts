// Broken files: whatever is changed in a good file, reading it gives the tensors that it holds or a SafetensorsError, and leaves nothing
// behind. A failure prints the seed and the mutation.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type Tensor, dtypes, memory, tensor, zeros } from '../index.js';
import { SafetensorsError, loadSafetensors } from './index.js';
import { writeHeader } from './safetensorsHeader.js';

const numRuns = 20_000;
const folder = mkdtempSync(join(tmpdir(), 'halfway-fuzz-'));
const path = join(folder, 'broken.safetensors');
afterAll(() => rmSync(folder, { recursive: true }));

const state: readonly (readonly [string, Tensor])[] = [
  ['encoder.weight', tensor([[1, 2, 3]])],
  ['step', zeros([])],
  ...dtypes.filter((dtype) => dtype !== 'complex128').map((dtype) => [dtype, zeros([2], { dtype })] as const),
  ['isDone', tensor([1, 0, 1], { dtype: 'bool' })],
  ['none', zeros([0, 2], { dtype: 'bfloat16' })],
];
const described = state.map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
const header = writeHeader(path, described, { format: 'pt' });
const data = Buffer.concat(state.map(([, value]) => value.toBytes()));
const json = header.subarray(8).toString();

const withLength = (length: bigint, text: Buffer): Buffer => {
  const field = Buffer.alloc(8);
  field.writeBigUInt64LE(BigInt.asUintN(64, length));
  return Buffer.concat([field, text, data]);
};
const withJson = (text: string): Buffer => withLength(BigInt(Buffer.byteLength(text)), Buffer.from(text));
const whole = withJson(json);

// Tokens of the header: strings, numbers, brackets, commas and colons.
const tokens = json.match(/"(?:[^"\\]|\\.)*"|-?\d+|[[\]{},:]/g) ?? [];
const replacement = fc.oneof(
  fc.constantFrom(
    '',
    '"F64"',
    '"BOOL"',
    '"step"',
    '"__proto__"',
    'null',
    'true',
    '[',
    ']',
    '{',
    '}',
    ',',
    ':',
    '[0,0]',
    '{}',
  ),
  fc.constantFrom('-1', '0', '1', '4', '12', '1.5', '1e999', '9007199254740993', '4294967296', '18446744073709551615'),
  fc.string().map((text) => JSON.stringify(text)),
);

const mutated = fc.oneof(
  fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, mask]) => {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ mask;
    return bytes;
  }),
  fc.nat(whole.length).map((length) => whole.subarray(0, length)),
  fc.uint8Array({ maxLength: 40 }).map((tail) => Buffer.concat([whole, tail])),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((length) => withLength(length, header.subarray(8))),
  fc.integer({ min: -20, max: 40 }).map((by) => withLength(BigInt(header.length - 8 + by), header.subarray(8))),
  fc.array(fc.tuple(fc.nat(tokens.length - 1), replacement), { minLength: 1, maxLength: 3 }).map((changes) => {
    const changed = [...tokens];
    for (const [at, token] of changes) changed[at] = token;
    return withJson(changed.join(''));
  }),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
);

describe('loadSafetensors', () => {
  it('reads the file that the mutations start from', () => {
    writeFileSync(path, whole);
    expect([...loadSafetensors(path).tensors.keys()].sort()).toEqual(state.map(([name]) => name).sort());
  });

  it(`of a broken file ends in tensors or a SafetensorsError (${numRuns} runs)`, () => {
    const before = memory.stats().liveTensors;
    let numRefused = 0;
    fc.assert(
      fc.property(mutated, (bytes) => {
        writeFileSync(path, bytes);
        try {
          const loaded = [...loadSafetensors(path).tensors.values()];
          const read = Buffer.concat(loaded.map((value) => value.toBytes()));
          for (const value of loaded) value.dispose();
          if (!bytes.subarray(bytes.length - read.length).equals(read))
            throw new Error('other bytes than the file has');
        } catch (error) {
          if (!(error instanceof SafetensorsError) || !error.message.startsWith(`${path}: `)) throw error;
          numRefused++;
        }
      }),
      { numRuns, seed: 1 },
    );
    expect(memory.stats().liveTensors).toBeLessThanOrEqual(before);
    expect(numRefused).toBeGreaterThan(numRuns / 2);
  }, 600_000);
});
