// The wheels that `setup` installs: names, versions, sizes and hashes of one fixed set, asked for whatever Python is there (hashes
// differ by tag, and only the C++ part inside is used). Versions are those that torch 2.15.0 itself requires.

/** One wheel file, pinned. */
export interface WheelPin {
  readonly name: string;
  readonly version: string;
  /** The file's name as published; pip saves it under it. */
  readonly file: string;
  readonly sha256: string;
  /** Size of the file, for progress and the check for free space. */
  readonly bytes: number;
}

const torch: WheelPin = {
  name: 'torch',
  version: '2.15.0',
  file: 'torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl',
  sha256: '48c2d861134c0b5697c7602cb5ffa68f62a2989fdcd1717e593356f67996ca1e',
  bytes: 539_136_850,
};

/** What libtorch_cpu.so of this CUDA wheel needs beside it even on a machine without a GPU (without cupti it does not load: tried). */
const cudaRuntime: readonly WheelPin[] = [
  {
    name: 'nvidia-cuda-runtime',
    version: '13.2.86',
    file: 'nvidia_cuda_runtime-13.2.86-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    sha256: '3498247680dfddce31bad102af7e3e26fc795342a3cac64722bb0fa95e7f60f0',
    bytes: 2_323_576,
  },
  {
    name: 'nvidia-cuda-cupti',
    version: '13.2.86',
    file: 'nvidia_cuda_cupti-13.2.86-py3-none-manylinux_2_25_x86_64.whl',
    sha256: '8fa29f15dd8336181f961764d9d95236fc6b931dd0c8fcf8cd70aab0c310b586',
    bytes: 11_988_600,
  },
];

/** What libtorch_cuda.so needs. */
const cudaLibraries: readonly WheelPin[] = [
  {
    name: 'nvidia-cudnn-cu13',
    version: '9.26.0.51',
    file: 'nvidia_cudnn_cu13-9.26.0.51-py3-none-manylinux_2_27_x86_64.whl',
    sha256: '9c976d539786698c71d6bcdbe2053b7485fae062ff7e1215d2f2ff67b1a2149a',
    bytes: 519_150_073,
  },
  {
    name: 'nvidia-cusparselt-cu13',
    version: '0.8.1',
    file: 'nvidia_cusparselt_cu13-0.8.1-py3-none-manylinux2014_x86_64.whl',
    sha256: '786ce87568c303fadb5afcc7102d454cd3040d75f6f8626f5db460d1871f4dd0',
    bytes: 170_148_586,
  },
  {
    name: 'nvidia-nccl-cu13',
    version: '2.30.7',
    file: 'nvidia_nccl_cu13-2.30.7-py3-none-manylinux_2_18_x86_64.whl',
    sha256: 'cefa7fdb9710efd0f39c5f1be1d61ff6fc9a996c451265bd7fbdcf9455ed4b50',
    bytes: 215_965_170,
  },
  {
    name: 'nvidia-nvshmem-cu13',
    version: '3.7.2',
    file: 'nvidia_nvshmem_cu13-3.7.2-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    sha256: 'b9a4f843c62b5dded8ad33fd6d220e007dcd39f06cee549292f5ba14ce4c235c',
    bytes: 135_397_797,
  },
  {
    name: 'nvidia-cublas',
    version: '13.4.1.3',
    file: 'nvidia_cublas-13.4.1.3-py3-none-manylinux_2_27_x86_64.whl',
    sha256: 'a5917cb642cfb07f4a0231ee16aec7e2e0357d8cb8b1b78a0c9c68dba3e6afc7',
    bytes: 404_870_805,
  },
  {
    name: 'nvidia-cuda-nvrtc',
    version: '13.2.86',
    file: 'nvidia_cuda_nvrtc-13.2.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
    sha256: '8111c5130e967b78222ea2124145f8efe9ce201b752b2579a2513100a53be1c5',
    bytes: 47_018_468,
  },
  {
    name: 'nvidia-cufft',
    version: '12.2.0.57',
    file: 'nvidia_cufft-12.2.0.57-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    sha256: '34da27fadf3979b0b042c43823f0530be8408b86df31ee0108e1ca0b621d4ef6',
    bytes: 218_258_101,
  },
  {
    name: 'nvidia-cufile',
    version: '1.17.1.22',
    file: 'nvidia_cufile-1.17.1.22-py3-none-manylinux_2_27_x86_64.whl',
    sha256: '87feaf8c3ad20d3d03a01933181801ff6892bace5c8f0b1e4b48f319d3e62d36',
    bytes: 1_387_670,
  },
  {
    name: 'nvidia-cusolver',
    version: '12.2.0.11',
    file: 'nvidia_cusolver-12.2.0.11-py3-none-manylinux_2_27_x86_64.whl',
    sha256: 'fab5778f6769947389a1a6abc07e635576825a08c0ffc68c3ae7f1392c794b42',
    bytes: 227_913_465,
  },
  {
    name: 'nvidia-cusparse',
    version: '12.7.10.12',
    file: 'nvidia_cusparse-12.7.10.12-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    sha256: '25907c75e4db1581685f06f61cc6cdecc04611765516a52373e0a18ebd69fa00',
    bytes: 150_999_307,
  },
  {
    name: 'nvidia-nvjitlink',
    version: '13.5.37',
    file: 'nvidia_nvjitlink-13.5.37-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
    sha256: '280d7cb9649704145f074b8dbde500de04ce02d0872e066e20a83c17bcaa93eb',
    bytes: 46_642_491,
  },
];

/** The pinned wheels of the two parts; torch is the first of each. */
export const wheelPins: Readonly<Record<'cpu' | 'cuda', readonly [WheelPin, ...WheelPin[]]>> = {
  cpu: [torch, ...cudaRuntime],
  cuda: [torch, ...cudaRuntime, ...cudaLibraries],
};

/** The one tag asked of pip, in the spelling of its options; several platforms because NVIDIA's wheels name older ones. */
export const wheelTagOptions: readonly string[] = [
  ...['--only-binary=:all:', '--python-version', '3.11', '--implementation', 'cp'],
  ...['cp311', 'abi3', 'none'].flatMap((abi) => ['--abi', abi]),
  ...[28, 27, 26, 25, 24, 18, 17, 12, 5].flatMap((minor) => ['--platform', `manylinux_2_${String(minor)}_x86_64`]),
  ...['manylinux2014_x86_64', 'manylinux2010_x86_64', 'manylinux1_x86_64'].flatMap((tag) => ['--platform', tag]),
];
