import { describe, expect, it } from 'vitest';
import { detectMachine, isOlderVersion, machineProblem, memoryLimitBytes, parseCpuInfo } from './cpu.js';

const cpuInfo = (flags: string) =>
  `processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu ${flags} sse2\nbugs\t\t: none\n`;
const linux = { os: 'linux', arch: 'x64', glibc: '2.36' };

describe('cpu', () => {
  it('reads the instruction sets that matter, each from its own flags', () => {
    const full = 'avx2 fma avx512f avx512bw avx512dq avx512vl avx512_bf16 amx_tile amx_bf16';
    expect(parseCpuInfo(cpuInfo(full), 8)).toEqual({
      model: 'Some CPU @ 2 GHz',
      threads: 8,
      avx2: true,
      avx512: true,
      avx512Bf16: true,
      amxBf16: true,
    });
    expect(parseCpuInfo(cpuInfo('avx2 fma avx512f'), 8)).toMatchObject({
      avx2: true,
      avx512: false,
      avx512Bf16: false,
      amxBf16: false,
    });
    expect(parseCpuInfo(cpuInfo('avx avx2'), 8).avx2).toBe(false); // without FMA
    expect(parseCpuInfo('', 2)).toMatchObject({ model: 'unknown', avx2: false });
  });

  it('accepts this machine', () => {
    expect(machineProblem(detectMachine())).toBeUndefined();
    expect(memoryLimitBytes()).toBeGreaterThan(1e8);
  });

  it('says what to do about a CPU without AVX2', () => {
    const problem = machineProblem({ platform: linux, cpu: parseCpuInfo(cpuInfo('avx'), 2) });
    expect(problem?.failure).toBe('wrong-cpu');
    expect(problem?.message).toMatch(
      /must have AVX2 and FMA .* got "Some CPU @ 2 GHz" without; .*qemu: -cpu host.*npx halfway-torch setup$/,
    );
  });

  it.each([
    [{ ...linux, os: 'darwin' }, 'darwin x64'],
    [{ ...linux, arch: 'arm64' }, 'linux arm64'],
    [{ ...linux, glibc: undefined }, 'no glibc'],
    [{ ...linux, glibc: '2.27' }, 'glibc 2.27'],
  ])('says that a platform is not supported: %o', (platform, words) => {
    const problem = machineProblem({ platform, cpu: parseCpuInfo(cpuInfo('avx2 fma'), 2) });
    expect(problem?.failure).toBe('unsupported-platform');
    expect(problem?.message).toContain(words);
    expect(problem?.message).toContain('docker run');
  });

  it('compares versions by number, not by text', () => {
    expect(isOlderVersion('2.9.1', '2.11')).toBe(true);
    expect(isOlderVersion('2.11.0', '2.11')).toBe(false);
    expect(isOlderVersion('2.11.0+cu132', '2.11.1')).toBe(true);
    expect(isOlderVersion('20.19.0', '20.19')).toBe(false);
    expect(isOlderVersion('3.0.0a0', '2.15')).toBe(false);
  });
});
