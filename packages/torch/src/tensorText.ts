// How a tensor is written: the layout of PyTorch's `repr`, so that what is known from there can be read here.
// Source: torch/_tensor_str.py of PyTorch 2.15, with its default print options.

import { noGrad } from './autograd.js';
import { engine } from './native.js';
import { cat } from './ops.gen.js';
import { scope } from './scope.js';
import type { Tensor } from './tensor.js';
import { type Scalar, elementReader, isComplex } from './values.js';

const lineWidth = 80;
const precision = 4;
/** Tensors with more elements are summarised ... */
const maxWholeElements = 1000;
/** ... by so many at both ends of each dimension. */
const edgeItems = 3;

/** The tensor as PyTorch writes it: `tensor([1., 2.])`, with dtype, device, size and graph where they are not the usual ones. */
export function tensorText(tensor: Tensor): string {
  if (tensor.isDisposed) return 'Tensor(disposed)';
  const prefix = 'tensor(';
  const contents = tensor.numel === 0 ? '[]' : scope(() => noGrad(() => contentsText(tensor, prefix.length)));
  return withSuffixes(prefix + contents, suffixesOf(tensor), prefix.length);
}

/** The tensor without its elements: `Tensor(float32 [2, 3])`. */
export function tensorSummary(tensor: Tensor): string {
  if (tensor.isDisposed) return 'Tensor(disposed)';
  const { dtype, device, shape } = tensor;
  return `Tensor(${dtype} [${shape.join(', ')}]${device === 'cpu' ? '' : ` on ${device}`})`;
}

// --- what stands behind the elements --------------------------------------------------------------------------------------------

const usualDtypes: readonly string[] = ['float32', 'complex64', 'int64', 'bool'];

function suffixesOf({ dtype, device, shape, numel, requiresGrad, handle }: Tensor): string[] {
  const suffixes: string[] = [];
  if (device !== 'cpu') suffixes.push(`device='${device}'`);
  // Where there are no elements, nothing else tells the shape and the dtype.
  if (numel === 0 && shape.length !== 1) suffixes.push(`size=(${shape.join(', ')})`);
  if (numel === 0 ? dtype !== 'float32' : !usualDtypes.includes(dtype)) suffixes.push(`dtype=torch.${dtype}`);
  const madeBy = engine().gradFunctionName(handle);
  if (madeBy !== null) suffixes.push(`grad_fn=<${madeBy}>`);
  else if (requiresGrad) suffixes.push('requires_grad=True');
  return suffixes;
}

function withSuffixes(text: string, suffixes: readonly string[], indent: number): string {
  let result = text;
  let lineLength = text.length - text.lastIndexOf('\n') + 1;
  for (const suffix of suffixes) {
    const isTooLong = lineLength + suffix.length + 2 > lineWidth;
    result += isTooLong ? `,\n${' '.repeat(indent)}${suffix}` : `, ${suffix}`;
    lineLength = isTooLong ? indent + suffix.length : lineLength + suffix.length + 2;
  }
  return `${result})`;
}

// --- the elements ---------------------------------------------------------------------------------------------------------------

/** How the elements of one tensor are written: all with one number of decimals, to the right of one width. */
interface ElementFormat {
  readonly width: number;
  write(value: Scalar): string;
}

function contentsText(tensor: Tensor, firstIndent: number): string {
  const isSummarised = tensor.numel > maxWholeElements;
  const shown = isSummarised ? edges(tensor) : tensor;
  const hasGap = tensor.shape.map((size) => isSummarised && size > 2 * edgeItems);
  const read = elementReader(shown);
  const values = Array.from({ length: shown.numel }, (_, i) => read(i));
  const format = formatOf(values, tensor.dtype);

  const block = (dim: number, start: number, count: number, indent: number): string => {
    const size = shown.shape[dim] ?? 0;
    const isVector = dim === shown.rank - 1;
    const step = count / size;
    const parts = Array.from({ length: size }, (_, i) => {
      const at = start + i * step;
      return isVector ? format.write(values[at] ?? 0) : block(dim + 1, at, step, indent + 1);
    });
    if (hasGap[dim] === true) parts.splice(edgeItems, 0, isVector ? ' ...' : '...');
    const newLine = '\n'.repeat(isVector ? 1 : shown.rank - dim - 1) + ' '.repeat(indent + 1);
    if (!isVector) return `[${parts.join(`,${newLine}`)}]`;
    const perLine = Math.max(1, Math.floor((lineWidth - indent) / (format.width + 2)));
    const numLines = Math.ceil(parts.length / perLine);
    const lines = Array.from({ length: numLines }, (_, i) => parts.slice(i * perLine, (i + 1) * perLine).join(', '));
    return `[${lines.join(`,${newLine}`)}]`;
  };
  return shown.rank === 0 ? format.write(values[0] ?? 0) : block(0, 0, shown.numel, firstIndent);
}

/** The first and last few entries along each dimension that is long. */
function edges(tensor: Tensor): Tensor {
  return tensor.shape.reduce((shown, size, dim) => {
    if (size <= 2 * edgeItems) return shown;
    return cat([shown.narrow(dim, 0, edgeItems), shown.narrow(dim, size - edgeItems, edgeItems)], dim);
  }, tensor);
}

function formatOf(values: readonly Scalar[], dtype: string): ElementFormat {
  if (dtype.startsWith('complex')) return complexFormat(values.filter(isComplex));
  if (dtype.includes('float')) return floatFormat(values.map(Number));
  const write = typeof values[0] === 'boolean' ? (value: Scalar) => (value === true ? 'True' : 'False') : String;
  const width = longest(values.map(write));
  return { width, write: (value) => write(value).padStart(width) };
}

function complexFormat(values: readonly { readonly re: number; readonly im: number }[]): ElementFormat {
  const real = floatFormat(values.map(({ re }) => re));
  const imaginary = floatFormat(values.map(({ im }) => im));
  return {
    width: real.width + imaginary.width + 1,
    write(value) {
      const { re, im } = isComplex(value) ? value : { re: Number(value), im: 0 };
      const second = `${imaginary.write(im)}j`.trimStart();
      return real.write(re) + (second.startsWith('-') ? '' : '+') + second;
    },
  };
}

/** Whole numbers as `1.`, others with 4 decimals, and all with an exponent where they are too far apart, too large or too small. */
function floatFormat(values: readonly number[]): ElementFormat {
  const counted = values.filter((value) => Number.isFinite(value) && value !== 0);
  const magnitudes = counted.map(Math.abs);
  const largest = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  const smallest = magnitudes.reduce((a, b) => Math.min(a, b), Infinity);
  const isScientific = counted.length > 0 && (largest / smallest > 1000 || largest > 1e8 || smallest < 1e-4);
  const isWhole = counted.every(Number.isInteger);
  const bare = (value: number): string => {
    if (Number.isNaN(value)) return 'nan';
    if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
    const sign = value < 0 || Object.is(value, -0) ? '-' : '';
    const magnitude = Math.abs(value);
    if (isScientific) return sign + scientific(magnitude);
    return sign + (isWhole ? `${magnitude}.` : roundHalfEven(magnitude, 'toFixed'));
  };
  // Zeros and what is not finite do not count: PyTorch lets them stand out of their column.
  const width = longest(counted.map(bare));
  return { width, write: (value) => bare(Number(value)).padStart(width) };
}

function longest(texts: readonly string[]): number {
  return texts.reduce((length, text) => Math.max(length, text.length), 1);
}

function scientific(magnitude: number): string {
  const [mantissa = '', exponent = ''] = roundHalfEven(magnitude, 'toExponential').split('e');
  return `${mantissa}e${exponent.charAt(0)}${exponent.slice(1).padStart(2, '0')}`;
}

// Of two nearest decimals Python takes the even one, JavaScript the larger one. No double that is not half-way looks like it in so many
// more digits.
const extraDigits = 60;

function roundHalfEven(magnitude: number, method: 'toFixed' | 'toExponential'): string {
  const rounded = magnitude[method](precision);
  const [exact = '', exponent] = magnitude[method](precision + extraDigits).split('e');
  const lower = exact.slice(0, -extraDigits);
  const isTie = /^50*$/.test(exact.slice(-extraDigits));
  const isLowerEven = Number(lower.at(-1)) % 2 === 0;
  return isTie && isLowerEven ? lower + (exponent === undefined ? '' : `e${exponent}`) : rounded;
}
