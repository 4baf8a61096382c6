// Names and numbers of dtypes, devices and memory formats. The numbers are those of libtorch's enumerations (c10/core).

import { DeviceError, DtypeError, TorchError } from './errors.js';

/** What an element is, by PyTorch's names. */
export type DType =
  | 'uint8'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float16'
  | 'float32'
  | 'float64'
  | 'complex64'
  | 'complex128'
  | 'bool'
  | 'bfloat16';

/** Where a tensor lives; `cuda` alone is the current one of the GPUs, and a tensor's own `device` always has the number. */
export type Device = 'cpu' | 'cuda' | `cuda:${number}`;

/** In which order the elements of images lie in memory. */
export type MemoryFormat = 'contiguous' | 'preserve' | 'channelsLast' | 'channelsLast3d';

/** How elements are stored; other layouts are not supported. */
export type Layout = 'strided';

// c10::ScalarType
const dtypeNumbers: Readonly<Record<DType, number>> = {
  uint8: 0,
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  float16: 5,
  float32: 6,
  float64: 7,
  complex64: 9,
  complex128: 10,
  bool: 11,
  bfloat16: 15,
};

// native/arguments.cc, MemoryFormatOf
const memoryFormatNumbers: Readonly<Record<MemoryFormat, number>> = {
  contiguous: 0,
  preserve: 1,
  channelsLast: 2,
  channelsLast3d: 3,
};

const dtypeSizes: Readonly<Record<DType, number>> = {
  uint8: 1,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
  complex64: 8,
  complex128: 16,
  bool: 1,
  bfloat16: 2,
};

/** All dtypes. */
export const dtypes: readonly DType[] = Object.keys(dtypeNumbers).filter(isDType);

const dtypesByNumber: (DType | undefined)[] = [];
for (const name of dtypes) dtypesByNumber[dtypeNumbers[name]] = name;

function isDType(name: string): name is DType {
  return Object.hasOwn(dtypeNumbers, name);
}

/** Bytes of one element. */
export function elementBytes(dtype: DType): number {
  return dtypeSizes[dtype];
}

/** Whether a dtype has a fraction and so can have gradients. */
export function isFloatingPoint(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16';
}

/** libtorch's number of a dtype; undefined and null pass through. Throws DtypeError for another name. */
export function dtypeNumber<T extends DType | undefined | null>(dtype: T): number | Extract<T, undefined | null>;
export function dtypeNumber(dtype: DType | undefined | null): number | undefined | null {
  if (dtype === undefined || dtype === null) return dtype;
  if (typeof dtype === 'string' && isDType(dtype)) return dtypeNumbers[dtype];
  throw new DtypeError(`dtype: must be one of ${dtypes.join(' ')}, got ${shown(dtype)}`);
}

/** The dtype of libtorch's number. Throws DtypeError when this package has no name for it. */
export function dtypeOfNumber(code: number): DType {
  const name = dtypesByNumber[code];
  if (name === undefined) throw new DtypeError(`dtype: libtorch's number ${code} has no name here`);
  return name;
}

const indexesPerDevice = 1024; // native/arguments.cc
const cudaType = 1; // c10::DeviceType::CUDA

/** The addon's number of a device; undefined and null pass through. Throws DeviceError for anything but `cpu`, `cuda` and `cuda:<index>`. */
export function deviceNumber<T extends Device | undefined | null>(device: T): number | Extract<T, undefined | null>;
export function deviceNumber(device: Device | undefined | null): number | undefined | null {
  if (device === undefined || device === null || device === 'cpu') return device === 'cpu' ? 0 : device;
  const index = /^cuda(?::(\d{1,3}))?$/.exec(shown(device));
  if (index === null) throw new DeviceError(`device: must be cpu or cuda:<index>, got ${shown(device)}`);
  return cudaType * indexesPerDevice + (index[1] === undefined ? 0 : Number(index[1]) + 1);
}

/** The device of the addon's number. */
export function deviceOfNumber(code: number): Device {
  if (code === 0) return 'cpu';
  return `cuda:${Math.max(0, (code % indexesPerDevice) - 1)}`;
}

/** The addon's number of a memory format; undefined and null pass through. Throws TorchError for another name. */
export function memoryFormatNumber<T extends MemoryFormat | undefined | null>(
  format: T,
): number | Extract<T, undefined | null>;
export function memoryFormatNumber(format: MemoryFormat | undefined | null): number | undefined | null {
  if (format === undefined || format === null) return format;
  if (Object.hasOwn(memoryFormatNumbers, format)) return memoryFormatNumbers[format];
  throw new TorchError(
    `memoryFormat: must be one of ${Object.keys(memoryFormatNumbers).join(' ')}, got ${shown(format)}`,
  );
}

/** The addon's number of a layout; undefined and null pass through. Throws TorchError for another name. */
export function layoutNumber<T extends Layout | undefined | null>(layout: T): number | Extract<T, undefined | null>;
export function layoutNumber(layout: Layout | undefined | null): number | undefined | null {
  if (layout === undefined || layout === null) return layout;
  if (shown(layout) === 'strided') return 0;
  throw new TorchError(`layout: must be strided, got ${shown(layout)}`);
}

// Callers without types may pass anything, and a symbol cannot be put into a template.
function shown(value: unknown): string {
  return String(value);
}
