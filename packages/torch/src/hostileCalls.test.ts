// A share of the random calls of fuzz/hostileCalls.mjs, which CONTRIBUTING.md says how to run whole: on the build (dist), as a user's
// program does, in child processes with limits on memory and time.

import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  DtypeError,
  ShapeError,
  type Tensor,
  TorchError,
  arange,
  createSharedMemory,
  full,
  fused,
  generator,
  mapSharedMemory,
  ones,
  ops,
  rand,
  tensor,
  zeros,
} from './index.js';
import { ensureAddonPath } from './setup/addon.js';

const program = fileURLToPath(new URL('../fuzz/hostileCalls.mjs', import.meta.url));
const build = fileURLToPath(new URL('../dist/index.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'halfway-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const limitMs = 300_000;

interface Report {
  readonly calls: number;
  readonly results: number;
  readonly gradients: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly operators: Readonly<Record<string, readonly [calls: number, results: number]>>;
  readonly failures: readonly unknown[];
}

/** The report of a sweep in another process. */
function sweep(...args: string[]): Report {
  expect(existsSync(build), 'the package must be built first: npm run build').toBe(true);
  const report = join(folder, 'report.json');
  const env = { ...process.env, HALFWAY_ADDON: process.env['HALFWAY_ADDON'] ?? ensureAddonPath() };
  const { stdout, stderr } = spawnSync(process.execPath, [program, ...args, '--report', report], {
    env,
    encoding: 'utf8',
  });
  expect(existsSync(report), `${stdout}${stderr}`).toBe(true);
  return JSON.parse(readFileSync(report, 'utf8')) as Report;
}

describe('hostile calls', () => {
  it(
    'of the typed operators: each ends in a typed error or a result, and every operator has given results',
    () => {
      const { calls, results, gradients, errors, operators, failures } = sweep('--calls', '6000', '--seed', '101');
      expect(failures).toEqual([]);
      expect(calls).toBe(6000);
      // The values are not all nonsense: half of the calls work, and gradients are computed.
      expect(results).toBeGreaterThan(calls / 2);
      expect(gradients).toBeGreaterThan(calls / 10);
      expect(Object.entries(operators).filter(([, [, returned]]) => returned === 0)).toEqual([]);
      const classes = ['ShapeError', 'DtypeError', 'TorchError', 'OutOfMemoryError', 'TensorDisposedError'];
      expect(Object.keys(errors)).toEqual(expect.arrayContaining(classes));
    },
    limitMs,
  );

  it(
    'of all operators of the dispatcher: each ends in a typed error or a result',
    () => {
      const { operators, failures } = sweep('--raw', '--calls', '3500', '--seed', '102');
      expect(failures).toEqual([]);
      expect(Object.keys(operators).length).toBeGreaterThan(3000);
    },
    limitMs,
  );
});

// Each of these was a crash, or memory read or written where it should not be.
describe('calls found by the sweeps', () => {
  it('an operand whose getter calls an operator', () => {
    const x = tensor([1, 2]);
    const meddling = {
      get re(): number {
        return x.sum().add(1).item();
      },
      im: 0,
    };
    expect(x.add(meddling).toArray('complex')).toEqual([
      { re: 5, im: 0 },
      { re: 6, im: 0 },
    ]);
    expect(() => x.add(x, { alpha: meddling })).toThrow(/alpha must not be a complex number/);
    expect(() => full([2, -2], meddling)).toThrow(ShapeError);
  });

  it('a fused step on parameters that overlap, and on gradients in another order', () => {
    const options = { lr: 1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0 };
    const gradient = arange(6, { dtype: 'float32' }).reshape([2, 3]);
    const step = (param: Tensor, grad: Tensor, moments: Tensor) => {
      fused.adamwStep([param], [grad], [moments], [zeros(param.shape)], [zeros([])], options);
      return param;
    };
    const spread = zeros([1]).expand([1 << 20]);
    expect(() => step(spread, spread, spread)).toThrow(/^adamwStep: tensor 0 must lie in memory without gaps/);
    expect(() => fused.sgdStep([spread], [zeros([1 << 20])], [], { lr: 1 })).toThrow(ShapeError);
    expect(() => step(zeros([2, 3]), gradient, zeros([3, 2]).t())).toThrow(/got strides \[1, 2\] and \[3, 1\]/);

    const transposed = gradient.t().contiguous().t();
    const updated = step(zeros([2, 3]), gradient, zeros([2, 3]));
    expect(step(zeros([2, 3]), transposed, zeros([2, 3])).toArray()).toEqual(updated.toArray());
    const [param, other] = [zeros([2, 3]), zeros([3, 2]).t()];
    fused.sgdStep([param, other], [transposed, tensor([1]).expand([2, 3])], [], { lr: 1 });
    expect(param.toArray()).toEqual(zeros([2, 3]).sub(gradient).toArray());
    expect(other.toArray()).toEqual(full([2, 3], -1).toArray());
  });

  it("a generator's state whose numbers do not belong together", () => {
    const rng = generator(1);
    const state = rng.getState();
    const numbers = new DataView(state.buffer);
    numbers.setInt32(8, 624, true); // left
    numbers.setBigUint64(16, 600n, true); // next
    expect(() => rng.setState(state)).toThrow(/^setGeneratorState: the bytes are no state: 624 numbers/);
    expect(() => rng.setState(new Uint8Array(3))).toThrow(TorchError);
    for (const numDrawn of [0, 1, 623, 624, 625]) {
      rand([numDrawn], { generator: rng });
      const same = generator(0).setState(rng.getState());
      expect(rand([3], { generator: same }).toArray()).toEqual(rand([3], { generator: rng }).toArray());
    }
  });

  it('a batch norm of nothing, or with too few numbers for its channels', () => {
    const x = ones([2, 3]);
    const norm = (input: Tensor, weight?: Tensor, mean?: Tensor) =>
      input.nativeBatchNorm(weight, undefined, mean, mean, true, 0.1, 1e-5);
    expect(norm(x, ones([3]), zeros([3]))[0].toArray()).toEqual(zeros([2, 3]).toArray());
    expect(() => norm(x, ones([1]))).toThrow(/one number for each of 3 channels, got the shape \[1\]/);
    expect(() => norm(x, undefined, zeros([2]))).toThrow(ShapeError);
    expect(() => norm(zeros([2, 0, 3]))).toThrow(/the input must not be empty, got the shape \[2, 0, 3\]/);
    for (const shape of [[0, 3], [0]])
      expect(() => norm(zeros(shape), ones([3]))).toThrow(/the input must not be empty/);
    expect(() => ops.aten._native_batch_norm_legit.no_stats(x, ones([1]), null, true, 0.1, 1e-5)).toThrow(ShapeError);
  });

  it('another memory format for an expanded tensor, which has no room for it', () => {
    const expanded = zeros([1, 2, 2, 2]).expand([8, 2, 2, 2]);
    const shape = [8, 2, 2, 2];
    expect(() => expanded.resize_(shape, { memoryFormat: 'channelsLast' })).toThrow(
      'gives no memory format to an expanded tensor; use contiguous(), got strides [0, 4, 2, 1]',
    );
    expect(() => ops.aten.resize_as_(expanded, zeros(shape), 'contiguous')).toThrow(ShapeError);
    expect(expanded.resize_(shape).sum().item()).toBe(0);
    expect(zeros(shape).resize_(shape, { memoryFormat: 'channelsLast' }).strides).toEqual([8, 1, 4, 2]);
    expect(expanded.resize_([9, 2, 2, 2], { memoryFormat: 'contiguous' }).shape).toEqual([9, 2, 2, 2]);
  });

  it('an out that is an input, or expanded', () => {
    const x = arange(9, { dtype: 'float32' }).reshape([1, 1, 3, 3]);
    const padded = ops.aten.reflection_pad2d.default(x, [1, 1, 1, 1]);
    expect(ops.aten.reflection_pad2d.out(x, [1, 1, 1, 1], x).shape).toEqual([1, 1, 5, 5]);
    expect(x.shape).toEqual(padded.shape);
    const y = ones([2]);
    expect(ops.aten.add.out(y, y, { out: y }).toArray()).toEqual([2, 2]);
    expect(y.toArray()).toEqual([2, 2]);
    const expanded = zeros([1, 2, 3, 3]).expand([4, 2, 3, 3]);
    expect(() =>
      ops('aten::reflection_pad2d_backward.grad_input')(
        ones([4, 2, 5, 5]),
        zeros([4, 2, 3, 3]),
        [1, 1, 1, 1],
        expanded,
      ),
    ).toThrow('more than one element of the written-to tensor refers to a single memory location');
  });

  it('a number alone, whose result goes to a tensor', () => {
    const sum = ops.aten.prod.out(-Infinity, null, { out: zeros([], { dtype: 'float64' }) });
    expect(sum.toArray()).toBe(-Infinity);
  });

  it('an LSTM whose states or parameters do not belong to its input', () => {
    const lstm = (inputs: number, state: number[], layers = 1, bias = 16) => {
      const params = [zeros([16, 3]), zeros([16, 4]), zeros([bias]), zeros([16])];
      const states = [zeros(state), zeros(state)];
      return ops.aten.lstm.input(zeros([5, 2, inputs]), states, params, true, layers, 0, false, false, false);
    };
    expect(lstm(3, [1, 2, 4]).map(({ shape }) => shape)).toEqual([
      [5, 2, 4],
      [1, 2, 4],
      [1, 2, 4],
    ]);
    expect(() => lstm(300, [1, 2, 4])).toThrow('a parameter must be float32 [16, 300], got float32 [16, 3]');
    expect(() => lstm(3, [1, 2, 4], 1, 1)).toThrow('a parameter must be float32 [16], got float32 [1]');
    expect(() => lstm(3, [1, 7, 4])).toThrow('a state must be float32 [1, 2, 4], got float32 [1, 7, 4]');
    expect(() => lstm(3, [2, 4])).toThrow('needs an input and two states of three dimensions');
    expect(() => lstm(3, [1, 2, 4], 4)).toThrow('needs 4 parameters for each layer and direction, got 4');
  });

  it('a polynomial of a degree that takes for ever', () => {
    const legendre = ops.aten.special_legendre_polynomial_p;
    expect(legendre.n_scalar(tensor([0.5]), 2).toArray()).toEqual([-0.125]);
    expect(() => legendre.n_scalar(tensor([0.5]), 2 ** 52)).toThrow(/a degree is at most 1e\+06, got 4.5036e\+15/);
    expect(() => legendre.default(tensor([0.5]), tensor([1, 1e9]))).toThrow('got 1e+09');
  });

  it('labels of a CTC loss that no score is of', () => {
    const loss = (label: number) =>
      ops.aten.ctc_loss.IntList(zeros([5, 2, 4]), full([2, 3], label, { dtype: 'int64' }), [5, 5], [3, 3]);
    expect(loss(3).item()).toBeCloseTo(0, 5);
    expect(() => loss(4)).toThrow('a label must be one of the 4 classes of the scores, got labels from 4 to 4');
    const padded = tensor(
      [
        [1, -100],
        [1, 2],
      ],
      { dtype: 'int64' },
    );
    const lossOf = (...lengths: number[]) => ops.aten.ctc_loss.IntList(zeros([5, 2, 4]), padded, [5, 5], lengths);
    expect(Number.isFinite(lossOf(1, 2).item())).toBe(true);
    expect(() => lossOf(2, 2)).toThrow('got labels from -100 to 2');
  });

  it('the lowest integer divided by -1, towards zero', () => {
    const truncated = { roundingMode: 'trunc' } as const;
    for (const [dtype, lowest] of [
      ['int64', -(2n ** 63n)],
      ['int32', -(2n ** 31n)],
    ] as const) {
      const x = tensor([3n, lowest], { dtype });
      expect(() => x.div(-1, truncated)).toThrow(DtypeError);
      expect(() => x.div_(tensor([1, -1], { dtype: 'int8' }), truncated)).toThrow(/-1 has no place in int/);
      expect(() => ops.aten.divide.Scalar_mode(x, -1, { rounding_mode: 'trunc' })).toThrow(DtypeError);
      expect(x.div(tensor([-1, 2], { dtype }), truncated).toArray('bigint')).toEqual([-3n, lowest / 2n]);
    }
    expect(tensor([-7.5]).div(2, truncated).item()).toBe(-3);
  });

  it('a median over an expanded dimension', () => {
    const x = tensor([3, 1, 2], { dtype: 'int32' });
    expect(() => x.expand([4, 3]).median(0)).toThrow(
      /^median: is not computed over an expanded dimension; use contiguous/,
    );
    expect(() => ops.aten.nanmedian.dim(x.unsqueeze(1).expand([3, 4]), -1)).toThrow(ShapeError);
    expect(x.expand([4, 3]).contiguous().median(0)[0].toArray()).toEqual([3, 1, 2]);
    expect(x.expand([4, 3]).median(1)[0].toArray()).toEqual([2, 2, 2, 2]);
    expect(x.expand([1, 3]).median(0)[0].toArray()).toEqual([3, 1, 2]);
    expect(() => x.median(2)).toThrow(ShapeError);
  });

  it('a number where an operator takes one tensor, and beside tensors', () => {
    const { aten } = ops;
    expect(aten.sum(-0.1).item()).toBe(-0.1);
    expect(aten.var(-0.1, false).item()).toBe(0);
    expect(aten.add.Tensor(1, tensor([1.5], { dtype: 'float16' })).dtype).toBe('float16');
  });

  it('an operator on lists of different lengths', () => {
    const { aten } = ops;
    const x = ones([2]);
    expect(() => aten._foreach_mul_.ScalarList([x], [])).toThrow(/the lists must have one length, got 1 and 0/);
    expect(() => aten._foreach_copy([], [x])).toThrow(ShapeError);
    aten._foreach_mul_.ScalarList([x], [3]);
    expect(x.toArray()).toEqual([3, 3]);
  });

  it('an antialiased resize by a scale that does not belong to its sizes', () => {
    const image = zeros([1, 3, 6, 5]);
    for (const scale of [1e-5, 1e5, Infinity]) {
      expect(() => image.upsampleBilinear2dAa([5, 2], false, undefined, scale)).toThrow(
        /does not make a size of 2 of 5/,
      );
      expect(() =>
        ops.aten._upsample_bicubic2d_aa_backward(zeros([1, 3, 5, 2]), [5, 2], [1, 3, 6, 5], false, scale),
      ).toThrow(ShapeError);
    }
    expect(() => image.upsampleBilinear2dAa([7, 5], false, 1)).toThrow(
      /^_upsample_bilinear2d_aa: a scale of 1 does not make/,
    );
    expect(image.upsampleBicubic2dAa([3, 2], false, 0.5, 0.5).shape).toEqual([1, 3, 3, 2]);
  });

  it('shared memory made smaller while it is mapped, and a file that may become so', () => {
    const shared = createSharedMemory(4096);
    expect(() => ftruncateSync(shared.fd, 0)).toThrow(/EPERM/);
    new Uint8Array(shared.buffer).fill(1);
    shared.close();
    const path = join(folder, 'ordinary');
    writeFileSync(path, 'x'.repeat(4096));
    const file = openSync(path, 'r+');
    expect(() => mapSharedMemory(file, 4096)).toThrow(/file \d+ was not made by createSharedFile/);
    closeSync(file);
    for (const fd of [-1, 2 ** 32, 2 ** 40]) {
      expect(() => mapSharedMemory(fd, 10)).toThrow(/must be a file descriptor, got/);
    }
  });
});
