import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const torchSource = (path: string): string => fileURLToPath(new URL(`packages/torch/src/${path}`, import.meta.url));

// Tests run in forked processes: a crash of the native engine ends one file, not the whole run.
export default defineConfig({
  resolve: {
    alias: [
      { find: /^@halfway\/torch$/, replacement: torchSource('index.ts') },
      { find: /^@halfway\/torch\/(nn|optim|io|setup|testing)$/, replacement: torchSource('$1/index.ts') },
    ],
  },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'examples/**/*.test.ts', 'scripts/**/*.test.mjs', 'bench/**/*.test.mjs'],
    pool: 'forks',
    maxWorkers: 2,
    // Two forks run at once and tensors are tiny: more threads only wait for one another.
    env: { OMP_NUM_THREADS: '1' },
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
