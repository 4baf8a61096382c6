/** Files of PyTorch's: every dtype and view as PyTorch read them, and every way to break or to abuse one refused by name. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as torch from '@halfway/torch';
import { loadSafetensors } from '@halfway/torch/io';
import { describe, expect, it } from 'vitest';
import { DataError } from '../../errors.js';
import { present } from '../../models/fixture.case.js';
import { scratchFolder } from '../../run/scratch.case.js';
import { published } from '../published.case.js';
import { openWeightFile } from '../weightFile.js';
import * as made from './madeFile.case.js';
import { openPth } from './openPth.js';
import type { PickledTensor, PickledValue } from './values.js';

const path = join(scratchFolder(), 'file.pth');

function at(value: PickledValue, ...keys: string[]): PickledValue {
  return keys.reduce<PickledValue>(
    (container, key) => present((container as Map<PickledValue, PickledValue>).get(key)),
    value,
  );
}

describe.each(['zoo.pth', 'zoo.legacy.pth'])('%s', (name) => {
  it('has the bytes of every dtype, view and shape', async () => {
    const file = await openWeightFile(published(name));
    const { tensors: expected } = loadSafetensors(published('zoo.safetensors'));
    torch.scope(() => {
      const read = file.read([...file.shapes.keys()]);
      for (const [key, values] of expected) {
        const own = present(read.get(`tensors.${key}`));
        expect([key, own.dtype, own.shape]).toEqual([key, values.dtype, values.shape]);
        expect([key, Buffer.from(own.toBytes()).equals(values.toBytes())]).toEqual([key, true]);
      }
      expect(read.size).toBe(expected.size + 1); // `again`
    });
    file.close();
  });

  it('shares memory where it was shared', async () => {
    const file = await openPth(published(name));
    torch.scope(() => {
      const names = ['base', 'transposed', 'offset', 'parameter'];
      const views = names.map((key) => at(file.value, 'tensors', key) as PickledTensor);
      const [base, transposed, offset, parameter] = file.read([...views, at(file.value, 'again') as PickledTensor]);
      base?.fill_(7);
      for (const view of [transposed, offset, parameter]) expect(view?.eq(7).all().item()).toBe(1);
    });
    file.close();
  });

  it('has the plain values, and no object of a class', async () => {
    const file = await openPth(published(name));
    file.close();
    const plain = at(file.value, 'plain') as Map<PickledValue, PickledValue>;
    expect(Object.fromEntries(plain as Map<string, PickledValue>)).toEqual({
      ...{ epoch: 3, loss: 0.25, name: 'caf\u00e9', none: null, done: true, big: 2n ** 70n, negative: -5, wide: 70000 },
      ...{ list: [1, [2, [3]]], size: [4, 6], args: { typeName: 'argparse.Namespace' } },
      best: { typeName: 'numpy._core.multiarray.scalar' },
    });
  });
});

describe('openPth', () => {
  const tensor = made.dict({ x: made.tensorOf() });

  async function readAll(bytes: Buffer): Promise<unknown> {
    writeFileSync(path, bytes);
    const file = await openWeightFile(path);
    try {
      return torch.scope(() =>
        [...file.read([...file.shapes.keys()])].map(([name, { shape, dtype }]) => [name, dtype, shape]),
      );
    } finally {
      file.close();
    }
  }

  it.each([
    ['an archive', made.archivePth(tensor)],
    ['an old file', made.legacyPth(tensor)],
  ])('reads %s that is put together by hand', async (_, bytes) => {
    writeFileSync(path, bytes);
    const file = await openWeightFile(path);
    expect(torch.scope(() => file.read(['x']).get('x')?.toArray())).toEqual([1, 3]);
    file.close();
  });

  const OUTSIDE = /a tensor must lie within its storage of 4 elements, got /;
  const calls = (module: string, name: string): string =>
    made.dict({ x: made.call(module, name, made.text('touch /tmp/x')) });
  const pickles: readonly (readonly [rule: string, value: string, message: RegExp])[] = [
    ['a command', calls('os', 'system'), /must hold tensors and plain containers, got "os\.system", which was not run/],
    ['a command by its other name', calls('posix', 'system'), /got "posix\.system"/],
    ['code', calls('builtins', 'eval'), /got "builtins\.eval"/],
    ['another function of torch', calls('torch', 'load'), /got "torch\.load"/],
    [
      'a module',
      made.dict({ x: made.globalOf('torch.nn.modules.linear', 'Linear') }),
      /got "torch\.nn\.modules\.linear\.Linear"/,
    ],
    ['a name that hides another', made.globalOf('torch\0', 'FloatStorage'), /got "torch\\u0000\.FloatStorage"/],
    ['a call of a value', `${made.text('x')})R`, /must call only what makes tensors/],
    ['a call of a dtype', made.call('torch', 'FloatStorage'), /must call only what makes tensors/],
    ['attributes of a list', ']}b', /must set attributes only of an OrderedDict/],
    ['an operation of another protocol', '\x94', /the operations that torch\.save writes, got "\x94"/],
    ['an append to a number', 'K\x01K\x02a', /must append to a list/],
    ['items of a list', ']K\x01K\x02s', /must set items of a dict/],
    ['a key without a value', '}(K\x01u', /must have a key and a value/],
    ['no operands', 't', /must have its mark/],
    ['too few operands', 'K\x01\x86', /must have its operands/],
    ['operands from before the mark', 'K\x01(\x85t', /must have its operands/],
    ['a value never remembered', 'h\x05', /must recall what it remembered, got 5/],
    ['a text longer than the file', 'X\xff\xff\xff\x7f', /must be whole, got a text of 2147483647 bytes/],
    ['a name without an end', `c${'x'.repeat(1100)}`, /must be whole, got a name of more than 1000 bytes/],
    [
      'a module as a persistent id',
      `${made.tuple(made.text('module'), made.text('x'))}Q`,
      /must name a storage of a known class/,
    ],
    ['another storage class', made.tensorOf({ type: 'QInt8Storage' }), /got "torch\.QInt8Storage"/],
    ['a storage of negative size', made.tensorOf({ numel: -1 }), /must name a storage/],
    ['a negative offset', made.tensorOf({ offset: -1 }), /offset must be a whole number from 0/],
    ['an offset beyond the storage', made.tensorOf({ offset: 4, shape: [1] }), OUTSIDE],
    ['a shape beyond the storage', made.tensorOf({ shape: [3] }), OUTSIDE],
    ['a negative stride', made.tensorOf({ offset: 3, strides: [-1] }), /sizes and strides must be whole numbers/],
    ['a negative size', made.tensorOf({ shape: [-1] }), /sizes and strides must be whole numbers/],
    ['fewer strides than sizes', made.tensorOf({ shape: [1, 1] }), OUTSIDE],
    [
      'more elements than numbers count',
      made.tensorOf({ shape: Array.from({ length: 3 }, () => 2 ** 30), strides: [0, 0, 0] }),
      OUTSIDE,
    ],
    [
      'more elements than numbers count, of which there are none',
      made.tensorOf({ shape: [2 ** 30, 2 ** 30, 0], strides: [0, 0, 0] }),
      OUTSIDE,
    ],
    ['a newer protocol', '\x80\x04N', /must be of protocol 2, .* got 4; save it again without pickle_protocol/],
    ['a tensor of no storage', made.call('torch._utils', '_rebuild_tensor_v2', 'K\x01'), /must be a view of a storage/],
    ['a parameter of no tensor', made.call('torch._utils', '_rebuild_parameter', 'K\x01'), /must hold a tensor/],
    ['an OrderedDict of no pairs', made.call('collections', 'OrderedDict', ']K\x01a'), /must be made of pairs/],
  ];

  it.each(pickles)('refuses %s', async (_, value, message) => {
    for (const bytes of [made.archivePth(value), made.legacyPth(value)]) {
      await expect(readAll(bytes)).rejects.toThrow(message);
      await expect(readAll(bytes)).rejects.toBeInstanceOf(DataError);
      await expect(readAll(bytes)).rejects.toThrow(`${path}: `);
    }
  });

  const stored = made.STORAGE;
  const described = { name: 'top/data.pkl', data: made.pickle(tensor) };
  const containers: readonly (readonly [rule: string, bytes: Buffer, message: RegExp])[] = [
    ['no data.pkl', made.archive([stored]), /must have one data\.pkl, got 0; is it another zip file\?/],
    [
      'two of them',
      made.archivePth(tensor, [stored, { ...described, name: 'two/data.pkl' }]),
      /must have one data\.pkl, got 2/,
    ],
    ['a file twice', made.archivePth(tensor, [stored, stored]), /must have a file once, got top\/data\/0 twice/],
    [
      'compression',
      made.archivePth(tensor, [{ ...stored, method: 8 }]),
      /top\/data\/0 must be stored as torch\.save does/,
    ],
    [
      'files in one place',
      made.archivePth(tensor, [stored, { ...stored, name: 'top/data/1', headerBytes: 100 }]),
      /invalid local file header/,
    ],
    [
      'files that overlap',
      made.archivePth(tensor, [stored, { ...stored, name: 'top/data/1', headerBytes: 0 }]),
      /must not overlap, got /,
    ],
    [
      'a size that is too large',
      made.archivePth(tensor, [{ ...stored, sizeBytes: 2 ** 30 }]),
      /must be whole, got: file data overflows/,
    ],
    [
      'a size that is too small',
      made.archivePth(tensor, [{ ...stored, sizeBytes: 12 }]),
      /storage 0 must have 16 bytes, got 12/,
    ],
    ['no storage', made.archivePth(tensor, []), /storage 0 must have 16 bytes, got none/],
    [
      'big-endian elements',
      made.archivePth(tensor, [stored, { name: 'top/byteorder', data: 'big' }]),
      /must be little-endian, got "big"/,
    ],
    [
      'a bool of 2',
      made.archivePth(made.dict({ x: made.tensorOf({ type: 'BoolStorage', numel: 16 }) }), [
        { ...stored, data: Buffer.alloc(16, 2) },
      ]),
      /a bool must be 0 or 1/,
    ],
    ['a directory outside', made.archivePth(tensor, [{ ...stored, name: '../x' }]), /invalid relative path/],
    ['half an archive', made.archivePth(tensor).subarray(0, 200), /must be whole, got: /],
    [
      'another protocol',
      made.legacyPth(tensor, { head: `${made.LEGACY_MAGIC}\x80\x02K\x01.${made.pickle('}')}` }),
      /magic number and protocol 1001/,
    ],
    [
      'old big-endian elements',
      made.legacyPth(tensor, { head: made.LEGACY_HEAD.replace('\x88', '\x89') }),
      /must be little-endian/,
    ],
    ['a key of no tensor', made.legacyPth(tensor, { keys: ['1'] }), /must hold the storages that its tensors name/],
    ['no keys', made.legacyPth(tensor, { keys: [] }), /storage 0 must have 16 bytes, got none/],
    ['another count', made.legacyPth(tensor, { count: 5 }), /must have the 4 elements it says, got 5/],
    [
      'half an old file',
      made.legacyPth(tensor, { data: '' }),
      /must have the \d+ bytes that its tensors need, got \d+; it is truncated/,
    ],
  ];

  it.each(containers)('refuses a file with %s', async (_, bytes, message) => {
    await expect(readAll(bytes)).rejects.toThrow(message);
    await expect(readAll(bytes)).rejects.toBeInstanceOf(DataError);
  });

  it('ends where containers hold themselves or go deep', async () => {
    const itself = `}q\x00${made.text('self')}h\x00s${made.text('x')}${made.tensorOf()}s`;
    const deep = made.dict({ deep: ']'.repeat(100_000) + 'a'.repeat(99_999), x: made.tensorOf() });
    for (const value of [itself, deep]) {
      expect(await readAll(made.archivePth(value))).toEqual([['x', 'float32', [2]]]);
    }
  });

  it('is not made to repeat a long key without end', async () => {
    const recalls = 'h\x00'.repeat(20_000);
    const value = (length: number): string => `}${made.text('x'.repeat(length))}](${made.tensorOf()}q\x00${recalls}es`;
    await expect(readAll(made.archivePth(value(1001)))).rejects.toThrow('a key must have 1000 characters or fewer');
    await expect(readAll(made.archivePth(value(1000)))).rejects.toThrow('must have 16777216 characters together');
  });

  it('reads plain containers of other names, and leaves out sets, paths and names of dtypes', async () => {
    const value = made.dict({
      counts: made.call('collections', 'Counter', made.dict({ step: 'K\x01' })),
      weights: `${made.call('collections', 'defaultdict', made.globalOf('__builtin__', 'list'))}(${made.text('x')}${made.tensorOf()}u`,
      parameter: made.call('torch._utils', '_rebuild_parameter_with_state', made.tensorOf(), '\x88', 'N', 'N'),
      seen: made.call('__builtin__', 'set', ']'),
      out: made.call('pathlib', 'PosixPath', made.text('runs')),
      dtype: made.globalOf('torch', 'float16'),
    });
    expect(await readAll(made.archivePth(value))).toEqual([
      ['weights.x', 'float32', [2]],
      ['parameter', 'float32', [2]],
    ]);
  });

  it('names a file that is a folder, and an old one of a newer protocol', async () => {
    await expect(openWeightFile(dirname(path))).rejects.toThrow('a file of weights must exist, got a folder; name a');
    await expect(readAll(Buffer.from('\x80\x04\x95\x0c\x00\x00', 'latin1'))).rejects.toThrow('got 4; save it again');
  });

  it('refuses a pickle without end', async () => {
    await expect(readAll(made.archivePth('N'.repeat(2 ** 23)))).rejects.toThrow(
      'a pickle must end within 8388608 bytes',
    );
  });
});
