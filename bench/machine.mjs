// The CPU as the bars and the file of results know it.
import { readCpuFeatures } from '@halfway/torch/setup';

/** Model and the highest capability that decides how fast matrix products are. */
export function describeCpu() {
  const { model, threads, amxBf16, avx512Bf16, avx512 } = readCpuFeatures();
  const capability = amxBf16 ? 'AMX' : avx512Bf16 ? 'AVX512-BF16' : avx512 ? 'AVX512' : 'AVX2';
  return { model, threads, capability };
}

/** Dtypes in which the CPU trains faster, or that everyone has. */
export function computeDtypes({ capability }) {
  return capability === 'AMX' || capability === 'AVX512-BF16' ? ['float32', 'bfloat16'] : ['float32'];
}
