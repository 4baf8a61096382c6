// A program of the doctor (loadTest.ts runs it in a child process): tries the engine on the CPU, then each part of what a GPU is used for.
// What is known so far is printed after each part, as a line of JSON: a library that crashes ends the program, not what was seen before.

import * as torch from '../index.js';
import type { PartTrial } from './loadTest.js';

const size = 64;

function expectEqual(got: unknown, wanted: unknown): void {
  if (String(got) !== String(wanted)) throw new Error(`got ${String(got)} in the place of ${String(wanted)}`);
}

function multiply(device: torch.Device, dtype: torch.DType): void {
  const ones = torch.ones([size, size], { device, dtype });
  expectEqual(ones.matmul(ones).to('float32').sum().item(), size ** 3);
}

/** Each throws when it does not work. */
const cudaParts: Readonly<Record<string, () => void>> = {
  'matrix product': () => {
    multiply('cuda', 'float32');
  },
  bfloat16: () => {
    multiply('cuda', 'bfloat16');
  },
  'convolution and its gradient': () => {
    const weight = torch.ones([1, 1, 3, 3], { device: 'cuda' }).requiresGrad_();
    torch.ones([1, 1, 8, 8], { device: 'cuda' }).conv2d(weight).sum().backward();
    expectEqual(weight.grad?.sum().item(), 9 * 36);
  },
  attention: () => {
    const tokens = torch.ones([1, 2, 8, 16], { device: 'cuda' });
    expectEqual(torch.scaledDotProductAttention(tokens, tokens, tokens).sum().item(), 256);
  },
  'copies from pinned memory': () => {
    const pinned = torch.arange(size).pinMemory();
    const copied = pinned.to({ device: 'cuda', nonBlocking: true }).to({ device: 'cpu' });
    expectEqual([pinned.isPinned, copied.toArray()], [true, torch.arange(size).toArray()]);
  },
  'streams and events': () => {
    const stream = new torch.DeviceStream('cuda');
    const sum = stream.run(() => torch.ones([size], { device: 'cuda' }).sum());
    torch.DeviceStream.current('cuda').waitStream(stream);
    expectEqual(sum.item(), size);
  },
  'random numbers': () => {
    const drawn = torch.rand([size], { generator: torch.generator(0, 'cuda'), device: 'cuda' });
    expectEqual(
      drawn
        .eq(torch.rand([size], { generator: torch.generator(0, 'cuda'), device: 'cuda' }))
        .all()
        .item(),
      1,
    );
  },
  'figures of memory': () => {
    expectEqual(torch.memory.deviceStats('cuda').peakAllocatedBytes > 0, true);
  },
};

function problemOf(attempt: () => void): string {
  try {
    torch.scope(attempt);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

multiply('cpu', 'float32');
const facts = { threads: torch.getNumThreads(), version: torch.libtorchVersion(), capability: torch.cpuCapability() };
const cudaProblem = torch.deviceProblem('cuda') ?? '';
const tried: PartTrial[] = [];
const say = (more: readonly PartTrial[] = []): void => {
  process.stdout.write(`${JSON.stringify({ ...facts, cudaProblem, cudaParts: [...tried, ...more] })}\n`);
};
for (const [name, attempt] of Object.entries(cudaProblem === '' ? cudaParts : {})) {
  say([{ name, problem: 'it ended the process' }]);
  tried.push({ name, problem: problemOf(attempt) });
}
say();
