// Devices beside operators: on the CPU itself, on a machine whose GPUs have the CPU's kernels (setup/cudaDouble.case.ts), and on a GPU
// where one is.

import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  DeviceError,
  DeviceEvent,
  DeviceStream,
  OutOfMemoryError,
  TensorDisposedError,
  TorchError,
  deviceProblem,
  devices,
  full,
  generator,
  memory,
  ones,
  rand,
  randn,
  resolveDevice,
  scope,
  synchronize,
  tensor,
  zeros,
} from './index.js';
import { runCommand } from './setup/commands.js';
import { CudaDouble, type CudaRun } from './setup/cudaDouble.case.js';
import { locate } from './setup/locate.js';

const { libtorch } = locate();
if (libtorch === undefined) throw new Error('internal: this test needs a libtorch; run: npm test');
const here = deviceProblem('cuda') === undefined ? 'a GPU' : 'none';

/** A program in our package that says JSON. */
function wholeProgram(program: string): string {
  const url = (path: string) => JSON.stringify(fileURLToPath(new URL(`../dist/${path}`, import.meta.url)));
  return [
    `import * as torch from ${url('index.js')};`,
    `import * as nn from ${url('nn/index.js')};`,
    `import * as optim from ${url('optim/index.js')};`,
    `const says = (value) => console.log(JSON.stringify(value));`,
    program,
  ].join('\n');
}

const optimizers = ['AdamW', 'Adam', 'SGD', 'LARS'];

/** Trains a module on the device and on the CPU, and says both. */
function trainingProgram(name: string, device: string): string {
  return `
    function train(device) {
      const rng = torch.generator(1);
      const conv = new nn.Conv2d(3, 8, { kernel: 3, padding: 1 }, rng);
      const toTokens = (x) => x.flatten(2).transpose(1, 2);
      const blocks = [new nn.LayerNorm(8), new nn.Attention({ dim: 8, numHeads: 2 }, rng)];
      const model = new nn.Sequential(conv, new nn.BatchNorm2d(8), nn.relu, toTokens, ...blocks);
      const { weight } = conv;
      weight.grad = torch.ones(weight.shape);
      model.to(device);
      if (weight.grad?.device === 'cpu' && device !== 'cpu') throw new Error('a gradient is left on the other device');
      weight.grad = undefined;
      const optimizer = new optim.${name}([{ name: 'all', parameters: model.parameters(), weightDecay: 0.1 }]);
      const ctx = { train: true, rng: torch.generator(2, device), computeDtype: 'float32' };
      const images = torch.randn([4, 3, 6, 6], { generator: torch.generator(3) }).to(device);
      const losses = Array.from({ length: 4 }, () => torch.scope(() => {
        const loss = nn.dropout(model.forward(images, ctx), 0.5, ctx).square().mean();
        loss.backward();
        const finite = optim.allFinite([loss.detach(), optim.clipGradNorm(model.parameters(), 1)]);
        optimizer.step({ lr: 0.01 }, finite.neg().add(1));
        optimizer.zeroGrad();
        return loss.item();
      }));
      const state = [...model.stateDict().values(), ...optimizer.stateTensors().values()];
      return { losses, devices: [...new Set(state.map((tensor) => tensor.device))], weight: weight.device };
    }
    says([train('${device}'), train('cpu')]);`;
}

/** Attention and convolutions go other ways on a GPU, which round differently. */
function expectSameTraining(said: unknown, device: string, tolerance: number): void {
  const [onGpu, onCpu] = said as { losses: number[]; devices: string[]; weight: string }[];
  expect(onGpu).toMatchObject({ devices: [device], weight: device });
  expect(onCpu).toMatchObject({ devices: ['cpu'], weight: 'cpu' });
  expect(new Set(onCpu?.losses).size).toBe(4);
  onGpu?.losses.forEach((loss, step) => {
    expect(Math.abs(loss - (onCpu?.losses[step] ?? NaN))).toBeLessThan(tolerance);
  });
}

describe('the CPU', () => {
  it('can always be used, and is what there is where no GPU is', () => {
    expect(deviceProblem('cpu')).toBeUndefined();
    expect(resolveDevice('cpu')).toBe('cpu');
    expect(devices()[0]).toBe('cpu');
    expect(() => deviceProblem('gpu' as 'cuda')).toThrow('device: must be cpu or cuda:<index>, got gpu');
  });

  it('has one stream, which is always empty, and no events', () => {
    const stream = new DeviceStream('cpu');
    expect([stream.device, stream.id, DeviceStream.current('cpu').id, stream.query()]).toEqual(['cpu', 0, 0, true]);
    expect(stream.run(() => tensor([1, 2]).sum().item())).toBe(3);
    stream.synchronize();
    stream.recordTensor(zeros([1]));
    synchronize('cpu');
    expect(() => stream.recordEvent()).toThrow(new TorchError("recordEvent: cpu backend doesn't support events"));
    expect(() => stream.run(() => Promise.resolve())).toThrow('DeviceStream.run: the function must not be async');
  });

  it('an event says when it was disposed, and that it cannot be timed', () => {
    const event = new DeviceEvent('cpu');
    expect(event.query()).toBe(true); // never recorded
    expect(() => event.elapsedTime(event)).toThrow(TorchError);
    event.dispose();
    event.dispose();
    expect(() => event.query()).toThrow(TensorDisposedError);
  });

  it('has figures of its own', () => {
    expect(() => memory.deviceStats('cpu')).toThrow(DeviceError);
    memory.resetPeak();
    expect(memory.stats().peakBytes).toBe(memory.stats().liveBytes);
  });

  it('is where `to` moves to by name', () => {
    const x = tensor([1, 2]);
    expect([x.to('cpu').device, x.to('float64').dtype, x.isPinned]).toEqual(['cpu', 'float64', false]);
    expect(() => x.to('gpu' as 'cuda')).toThrow('dtype: must be one of');
  });
});

describe.runIf(here === 'none')('without a GPU', () => {
  it('everything that asks for one says why there is none, and what to do', () => {
    expect(devices()).toEqual(['cpu']);
    const problem = deviceProblem('cuda') ?? '';
    expect(problem).toContain('; ');
    const calls = [
      () => tensor([1], { device: 'cuda' }),
      () => tensor([1]).to('cuda'),
      () => tensor([1]).pinMemory(),
      () => new DeviceStream('cuda'),
      () => new DeviceEvent('cuda'),
      () => memory.deviceStats('cuda'),
      () => {
        synchronize('cuda');
      },
      () => {
        memory.emptyCache('cuda');
      },
    ];
    for (const call of calls) expect(call).toThrow(problem);
    for (const call of calls) expect(call).toThrow(DeviceError);
  });
});

describe.runIf(here === 'a GPU')('a GPU', () => {
  const sidePx = 4096;

  it('computes what the CPU computes, and copies there and back are exact', () => {
    scope(() => {
      const x = randn([257, 129], { generator: generator(0) });
      expect(x.to('cuda').to('cpu').toBytes()).toEqual(x.toBytes());
      const [product, onGpu] = [x.t().matmul(x), x.to('cuda').t().matmul(x.to('cuda'))];
      const difference = onGpu.to('cpu').sub(product).abs().amax().div(product.abs().amax());
      expect(difference.item()).toBeLessThan(1e-6); // sums of 257 products in another order
      expect(() => x.add(x.to('cuda'))).toThrow(DeviceError);
    });
  });

  it('works while the host goes on: an event after long work is not reached at once, and is timed', () => {
    scope(() => {
      const [start, end] = [1, 2].map(() => new DeviceEvent('cuda', { enableTiming: true })) as [
        DeviceEvent,
        DeviceEvent,
      ];
      const x = ones([sidePx, sidePx], { device: 'cuda' });
      const stream = DeviceStream.current('cuda');
      synchronize('cuda');
      stream.recordEvent(start);
      for (let i = 0; i < 50; i++) x.matmul(x).dispose();
      stream.recordEvent(end);
      expect(end.query()).toBe(false);
      end.synchronize();
      expect(end.query()).toBe(true);
      expect(start.elapsedTime(end)).toBeGreaterThan(1); // ms; 7 TFLOP
    });
  });

  it('a copy from pinned memory on a stream of its own arrives before the stream that waits for it goes on', () => {
    scope(() => {
      const copies = new DeviceStream('cuda');
      const pinned = full([sidePx, sidePx], 3).pinMemory();
      const there = copies.run(() => pinned.to({ device: 'cuda', nonBlocking: true }));
      const current = DeviceStream.current('cuda');
      current.waitStream(copies);
      current.recordTensor(there);
      expect(there.sum().item()).toBe(3 * sidePx ** 2);
      expect(pinned.isPinned).toBe(true);
    });
  });

  it('counts its memory, and what does not fit is an error from which the process goes on', () => {
    const before = memory.deviceStats('cuda').allocatedBytes;
    scope(() => {
      zeros([2 ** 20], { device: 'cuda' });
      expect(memory.deviceStats('cuda').allocatedBytes - before).toBe(4 * 2 ** 20);
      expect(() => zeros([2 ** 40], { device: 'cuda' })).toThrow(OutOfMemoryError);
    });
    expect(memory.deviceStats('cuda').allocatedBytes).toBe(before);
    memory.emptyCache('cuda');
    expect(ones([2], { device: 'cuda' }).sum().item()).toBe(2);
  });

  // Dropout draws other numbers there, so only modules without it can be compared.
  it.each(optimizers)('trains a module as the CPU does, with %s', async (name) => {
    const program = wholeProgram(trainingProgram(name, 'cuda:0').replace('nn.dropout(', '((x) => x)('));
    const { status, stdout, stderr } = await runCommand([process.execPath, '--input-type=module', '--eval', program], {
      env: process.env,
    });
    if (status !== 0) throw new Error(stderr);
    expectSameTraining(JSON.parse(stdout), 'cuda:0', 1e-3);
  });

  it('draws the same numbers again from a saved state', () => {
    scope(() => {
      const rng = generator(7, 'cuda');
      const state = rng.getState();
      const draw = (): unknown => rand([100], { generator: rng, device: 'cuda' }).toArray();
      const first = draw();
      rng.setState(state);
      expect(draw()).toEqual(first);
    });
  });
});

describe('GPUs', () => {
  const double = new CudaDouble(libtorch);
  afterAll(() => {
    double.remove();
  });

  /** What a program says on a machine with two GPUs, and what it asked of them. */
  async function onGpus(program: string): Promise<CudaRun & { readonly said: unknown }> {
    const run = await double.run({ hasDriver: true, cudaLibrary: 'whole', numGpus: 2 }, wholeProgram(program));
    if (run.status !== 0) throw new Error(run.stderr);
    return { ...run, said: JSON.parse(run.stdout) as unknown };
  }

  it('are named, with the current one for none', async () => {
    const { said } = await onGpus(
      `says([torch.devices(), torch.resolveDevice('cuda'), torch.deviceProblem('cuda:2')])`,
    );
    const problem = 'the last GPU here is cuda:1; use it or one before it';
    expect(said).toEqual([['cpu', 'cuda:0', 'cuda:1'], 'cuda:0', problem]);
  });

  it('hold tensors that are made there or moved there, never beside those of another device', async () => {
    const { said } = await onGpus(`
      const errorOf = (fn) => { try { fn(); } catch (error) { return error.name; } };
      const x = torch.tensor([[1, 2], [3, 4]], { device: 'cuda' });
      says([
        x.device, x.matmul(x).device, x.to('cuda:1').add(1).device, torch.zeros([1], { device: 'cuda:1' }).device,
        x.matmul(x).toArray(), x.to('cpu').device, x.to({ device: 'cuda:1', dtype: 'int64' }).toArray('bigint').map(String),
        errorOf(() => x.add(torch.ones([2, 2]))), errorOf(() => x.add(x.to('cuda:1'))),
      ]);`);
    expect(said).toEqual([
      ...['cuda:0', 'cuda:0', 'cuda:1', 'cuda:1'],
      ...[[[7, 10], [15, 22]], 'cpu', ['1,2', '3,4']], // prettier-ignore
      ...['DeviceError', 'DeviceError'],
    ]);
  });

  it('get bytes from pinned memory, and nothing waits for them', async () => {
    const { said, asked } = await onGpus(`
      const x = torch.fromBytes(new Uint8Array([1, 2, 3]), [3], 'uint8', 'cuda');
      const pinned = torch.ones([4]).pinMemory();
      pinned.to({ device: 'cuda:1', nonBlocking: true });
      torch.ones([5]).to('cuda');
      says([x.toArray(), pinned.isPinned, torch.ones([1]).isPinned]);`);
    expect(said).toEqual([[1, 2, 3], true, false]);
    expect(asked.filter((line) => line.startsWith('copy'))).toEqual([
      'copy of 3 bytes from pinned cpu to cuda:0 without waiting',
      'copy of 16 bytes from pinned cpu to cuda:1 without waiting',
      'copy of 20 bytes from cpu to cuda:0',
      'copy of 3 bytes from cuda:0 to cpu',
    ]);
  });

  it('work in streams, which wait for one another by events', async () => {
    const { said, asked } = await onGpus(`
      const x = torch.ones([2], { device: 'cuda' });
      const stream = new torch.DeviceStream('cuda');
      const current = torch.DeviceStream.current('cuda');
      const inside = stream.run(() => torch.DeviceStream.current('cuda').id);
      try { stream.run(() => { throw new Error(); }); } catch {}
      stream.recordTensor(x);
      current.waitStream(stream);
      const [start, end] = [1, 2].map(() => new torch.DeviceEvent('cuda', { enableTiming: true }));
      current.recordEvent(start);
      current.recordEvent(end);
      end.synchronize();
      stream.synchronize();
      torch.synchronize('cuda:1');
      says([inside, torch.DeviceStream.current('cuda').id, stream.query(), end.query(), start.elapsedTime(end)]);`);
    expect(said).toEqual([1, 0, true, true, 1]);
    expect(asked).toEqual([
      ...['stream 1 is current on cuda:0', 'stream 0 is current on cuda:0'],
      ...['stream 1 is current on cuda:0', 'stream 0 is current on cuda:0'],
      ...['memory is used on stream 1', 'event 1 on stream 1', 'stream 0 waits for event 1'],
      ...['event 2 on stream 0', 'event 3 on stream 0', 'wait for event 3', 'wait for stream 1', 'wait for device 1'],
      ...['is stream 1 done', 'is event 3 done', 'is event 2 done', 'is event 3 done'],
    ]);
  });

  it('count their memory', async () => {
    const { said, asked } = await onGpus(`
      const figures = () => torch.memory.deviceStats('cuda:1');
      const before = figures();
      torch.zeros([1000], { device: 'cuda:1' }).dispose();
      const x = torch.zeros([10], { device: 'cuda:1' });
      const { allocatedBytes, peakAllocatedBytes, freeBytes, totalBytes } = figures();
      torch.memory.resetPeak('cuda:1');
      torch.memory.emptyCache('cuda:1');
      let error;
      try { torch.zeros([2 ** 32], { device: 'cuda:1' }); } catch (caught) { error = caught.name; }
      says([before.allocatedBytes, allocatedBytes, peakAllocatedBytes, totalBytes - freeBytes, figures().peakAllocatedBytes, error]);`);
    expect(said).toEqual([0, 40, 4000, 40, 40, 'OutOfMemoryError']);
    expect(asked).toEqual(['empty cache']);
  });

  it('draw from generators of their own, which go on from a saved state', async () => {
    const { said } = await onGpus(`
      const rng = torch.generator(7, 'cuda');
      const state = rng.getState();
      const draw = () => torch.rand([2], { generator: rng, device: 'cuda' }).toArray();
      const first = draw();
      rng.setState(state);
      let error;
      try { torch.rand([2], { generator: torch.generator(7), device: 'cuda' }); } catch (caught) { error = caught.name; }
      says([first.join() === draw().join(), error]);`);
    expect(said).toEqual([true, 'DeviceError']);
  });

  it.each(optimizers)('train a module as the CPU does, with %s', async (name) => {
    expectSameTraining((await onGpus(trainingProgram(name, 'cuda:1'))).said, 'cuda:1', 1e-5);
  });
});
