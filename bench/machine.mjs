// The processor as the bars and the file of results know it.
import { execFileSync } from 'node:child_process';
import { readCpuFeatures } from '@halfway/torch/setup';

/** Model and the highest capability that decides how fast matrix products are. */
export function describeCpu() {
  const { model, threads, amxBf16, avx512Bf16, avx512 } = readCpuFeatures();
  const capability = amxBf16 ? 'AMX' : avx512Bf16 ? 'AVX512-BF16' : avx512 ? 'AVX512' : 'AVX2';
  return { model, threads, capability };
}

/** The first GPU, with the CPU's threads beside it. */
export function describeGpu() {
  const query = ['--query-gpu=name', '--format=csv,noheader', '--id=0'];
  const model = execFileSync('nvidia-smi', query, { encoding: 'utf8' }).trim();
  return { model, threads: readCpuFeatures().threads, capability: 'CUDA' };
}

/** Dtypes in which the processor trains faster, or that everyone has. */
export function computeDtypes({ capability }) {
  return ['AMX', 'AVX512-BF16', 'CUDA'].includes(capability) ? ['float32', 'bfloat16'] : ['float32'];
}
