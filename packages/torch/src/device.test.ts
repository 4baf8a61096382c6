// Devices beside operators: on the CPU itself, and on a machine whose GPUs have the CPU's kernels (setup/cudaDouble.case.ts).

import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  DeviceError,
  DeviceEvent,
  DeviceStream,
  TensorDisposedError,
  TorchError,
  deviceProblem,
  devices,
  memory,
  resolveDevice,
  synchronize,
  tensor,
  zeros,
} from './index.js';
import { CudaDouble, type CudaRun } from './setup/cudaDouble.case.js';
import { locate } from './setup/locate.js';

const { libtorch } = locate();
if (libtorch === undefined) throw new Error('internal: this test needs a libtorch; run: npm test');
const here = deviceProblem('cuda') === undefined ? 'a GPU' : 'none';

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

describe('GPUs', () => {
  const double = new CudaDouble(libtorch);
  afterAll(() => {
    double.remove();
  });

  /** What a program says on a machine with two GPUs, and what it asked of them. */
  async function onGpus(program: string): Promise<CudaRun & { readonly said: unknown }> {
    const url = (path: string) => JSON.stringify(fileURLToPath(new URL(`../dist/${path}`, import.meta.url)));
    const lines = [
      `import * as torch from ${url('index.js')};`,
      `import * as nn from ${url('nn/index.js')};`,
      `import * as optim from ${url('optim/index.js')};`,
      `const says = (value) => console.log(JSON.stringify(value));`,
      program,
    ];
    const run = await double.run({ hasDriver: true, cudaLibrary: 'whole', numGpus: 2 }, lines.join('\n'));
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

  it.each(['AdamW', 'Adam', 'SGD', 'LARS'])('train a module as the CPU does, with %s', async (name) => {
    const { said } = await onGpus(`
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
      says([train('cuda:1'), train('cpu')]);`);
    const [onGpu, onCpu] = said as { losses: number[]; devices: string[]; weight: string }[];
    expect(onGpu).toMatchObject({ devices: ['cuda:1'], weight: 'cuda:1' });
    expect(onCpu).toMatchObject({ devices: ['cpu'], weight: 'cpu' });
    expect(new Set(onCpu?.losses).size).toBe(4);
    // Attention goes another way on a GPU, which rounds differently: measured 1e-7.
    onGpu?.losses.forEach((loss, step) => {
      expect(Math.abs(loss - (onCpu?.losses[step] ?? NaN))).toBeLessThan(1e-5);
    });
  });
});
