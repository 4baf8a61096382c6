/**
 * Broken and hostile files of PyTorch's: whatever a file says, reading it ends in the bytes that it holds or in a named error, runs
 * nothing, and leaves neither tensors nor open files behind. A failure prints the seed and the mutation.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { SafetensorsError } from '@halfway/torch/io';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError } from '../../errors.js';
import { scratchFolder } from '../../run/scratch.case.js';
import { published } from '../published.case.js';
import { openWeightFile } from '../weightFile.js';
import * as made from './madeFile.case.js';

const numRuns = 20_000;
const folder = scratchFolder();
const path = join(folder, 'broken.pth');
const canary = join(folder, 'executed');

const tensor = made.dict({ x: made.tensorOf(), y: made.tensorOf({ shape: [2, 2], strides: [2, 1], offset: 0 }) });
const whole = [
  ...['zoo.pth', 'zoo.legacy.pth', 'dinov2.pth', 'ibot.pth'].map((name) => readFileSync(published(name))),
  ...[made.archivePth(tensor), made.legacyPth(tensor)],
];

// Names that Python would look up, among them some that would leave a trace, and every operation of a pickle, known or not.
const globals = [
  ...['collections OrderedDict', 'torch FloatStorage', 'torch LongStorage', 'torch Size', 'argparse Namespace'],
  ...['torch._utils _rebuild_tensor_v2', 'torch._utils _rebuild_parameter', 'numpy dtype', '_codecs encode'],
  ...['os system', 'builtins eval', 'builtins exec', 'subprocess Popen', 'torch load', '__builtin__ getattr'],
].map((name): [string, string] => {
  const [module = '', attribute = ''] = name.split(' ');
  return [module, attribute];
});
const size = fc.oneof(fc.nat(5), fc.constantFrom(-1, 2 ** 31 - 1, 2 ** 30), fc.integer());
const view = fc.record({
  type: fc.constantFrom('FloatStorage', 'LongStorage', 'HalfStorage', 'BoolStorage', 'ByteStorage', 'QInt8Storage'),
  key: fc.constantFrom('0', '1', '../0', ''),
  numel: fc.oneof(fc.constantFrom(4, 2, 8, 16), size),
  offset: size,
  shape: fc.array(size, { maxLength: 3 }),
  strides: fc.array(size, { maxLength: 3 }),
});
const operation = fc.oneof(
  fc.constantFrom(...Array.from('N\x88\x89()]}\x85\x86\x87taesubQR\x81.')),
  fc.nat(255).map((code) => String.fromCharCode(code)),
  fc.nat(3).map((number) => `q${String.fromCharCode(number)}`),
  fc.nat(3).map((number) => `h${String.fromCharCode(number)}`),
  fc.constantFrom(...globals).map(([module, name]) => made.globalOf(module, name)),
  fc.constantFrom(...globals).map(([module, name]) => made.call(module, name, made.text(`touch ${canary}`))),
  fc.constantFrom('storage', 'x', '0', '').map(made.text),
  size.map(made.integer),
  view.map(made.tensorOf),
);
const program = fc.array(operation, { maxLength: 25 }).map((operations) => operations.join(''));
const archivedFile = fc.record(
  {
    name: fc.constantFrom(
      'top/data/0',
      'top/data/1',
      'top/byteorder',
      'top/data.pkl',
      'other/data.pkl',
      '../x',
      '/x',
      '',
    ),
    data: fc.constantFrom(made.STORAGE.data, 'little', 'big', made.pickle(tensor), ''),
    method: fc.constantFrom(0, 0, 8, 99),
    sizeBytes: fc.oneof(fc.nat(40), fc.nat(2 ** 32 - 1)),
    headerBytes: fc.oneof(fc.nat(300), fc.nat(2 ** 32 - 1)),
  },
  { requiredKeys: ['name', 'data'] },
);

const mutated = fc.oneof(
  fc
    .tuple(fc.constantFrom(...whole), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }))
    .map(([from, changes]) => {
      const bytes = Buffer.from(from);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes;
    }),
  fc.tuple(fc.constantFrom(...whole), fc.nat()).map(([from, length]) => from.subarray(0, length % from.length)),
  fc.tuple(fc.constantFrom(...whole), fc.uint8Array({ maxLength: 80 })).map((parts) => Buffer.concat(parts)),
  program.map((value) => made.archivePth(value)),
  program.map((value) => made.legacyPth(value)),
  program.map((value) => made.archivePth(`${made.dict({ x: made.tensorOf() })}${value}`)),
  view.map((described) => made.archivePth(made.dict({ x: made.tensorOf(described) }))),
  fc
    .tuple(view, fc.nat(20))
    .map(([described, count]) => made.legacyPth(made.dict({ x: made.tensorOf(described) }), { count })),
  fc.array(archivedFile, { maxLength: 4 }).map((files) => made.archivePth(tensor, files)),
);

/** Reads what it can of a file; throws when an element has bytes that are nowhere in the file. */
async function readAll(bytes: Buffer): Promise<void> {
  writeFileSync(path, bytes);
  const file = await openWeightFile(path);
  try {
    torch.scope(() => {
      for (const [name, values] of file.read([...file.shapes.keys()])) {
        if (values.numel > 1000) continue; // a view whose strides are 0
        const [elements, elementBytes] = [Buffer.from(values.toBytes()), torch.elementBytes(values.dtype)];
        for (let at = 0; at < elements.length; at += elementBytes) {
          if (!bytes.includes(elements.subarray(at, at + elementBytes)))
            throw new Error(`${name}: other bytes than the file has`);
        }
      }
    });
  } finally {
    file.close();
  }
}

function isNamed(error: unknown): boolean {
  if (error instanceof torch.OutOfMemoryError) return true;
  return (error instanceof DataError || error instanceof SafetensorsError) && error.message.startsWith(`${path}: `);
}

describe('a broken file', () => {
  it('is whole before it is broken', async () => {
    for (const bytes of whole) await readAll(bytes);
  });

  it(`ends in its own bytes or a named error (${numRuns} runs)`, async () => {
    const before = { tensors: torch.memory.stats().liveTensors, files: readdirSync('/proc/self/fd').length };
    let numRefused = 0;
    await fc.assert(
      fc.asyncProperty(mutated, async (bytes) => {
        try {
          await readAll(bytes);
        } catch (error) {
          if (!isNamed(error)) throw error;
          numRefused++;
        }
      }),
      { numRuns, seed: 1 },
    );
    expect(torch.memory.stats().liveTensors).toBeLessThanOrEqual(before.tensors);
    expect(readdirSync('/proc/self/fd').length).toBe(before.files);
    expect(existsSync(canary)).toBe(false);
    expect(numRefused).toBeGreaterThan(numRuns / 2);
    expect(numRefused).toBeLessThan(numRuns);
  }, 3_600_000);
});
