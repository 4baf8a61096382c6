/** Pickles and archives put together by hand: good ones, and ones that lie. */

/** A text of a pickle's operations, one character a byte. */
type Operations = string;

export const text = (value: string): Operations => `X${uint32(value.length)}${value}`;
export const integer = (value: number): Operations => `J${uint32(value)}`;
export const tuple = (...members: Operations[]): Operations => `(${members.join('')}t`;
export const globalOf = (module: string, name: string): Operations => `c${module}\n${name}\n`;
export const dict = (entries: Readonly<Record<string, Operations>>): Operations =>
  `}(${Object.entries(entries)
    .map(([key, value]) => text(key) + value)
    .join('')}u`;
export const pickle = (value: Operations): Operations => `\x80\x02${value}.`;

/** A call that Python would make. */
export const call = (module: string, name: string, ...args: Operations[]): Operations =>
  `${globalOf(module, name)}${tuple(...args)}R`;

export interface View {
  readonly type?: string;
  readonly key?: string;
  readonly numel?: number;
  readonly offset?: number;
  readonly shape?: readonly number[];
  readonly strides?: readonly number[];
}

/** A tensor as torch.save describes it: [1, 2] of four float32 unless told otherwise. */
export function tensorOf({
  type = 'FloatStorage',
  key = '0',
  numel = 4,
  offset = 1,
  shape = [2],
  strides = [2],
}: View = {}): Operations {
  const storage = `${tuple(text('storage'), globalOf('torch', type), text(key), text('cpu'), integer(numel))}Q`;
  const sizes = (values: readonly number[]): Operations => tuple(...values.map(integer));
  const hooks = call('collections', 'OrderedDict');
  return call(
    'torch._utils',
    '_rebuild_tensor_v2',
    storage,
    integer(offset),
    sizes(shape),
    sizes(strides),
    '\x89',
    hooks,
  );
}

/** One file of an archive; what is given overrides what is true. */
export interface ArchivedFile {
  readonly name: string;
  readonly data: string | Buffer;
  readonly method?: number;
  readonly sizeBytes?: number;
  readonly headerBytes?: number;
}

/** A zip archive of stored files. */
export function archive(files: readonly ArchivedFile[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let positionBytes = 0;
  for (const { name, data, method = 0, ...lies } of files) {
    const bytes = Buffer.from(data as string, 'latin1');
    const { sizeBytes = bytes.length, headerBytes = positionBytes } = lies;
    const sizes = `${uint32(sizeBytes)}${uint32(sizeBytes)}${uint16(name.length)}${uint16(0)}`;
    const details = `${uint16(20)}${uint16(0)}${uint16(method)}${uint32(0)}${uint32(0)}${sizes}`; // no time, no checksum
    const local = Buffer.concat([latin1(`PK\x03\x04${details}${name}`), bytes]);
    directory.push(
      latin1(
        `PK\x01\x02${uint16(20)}${details}${uint16(0)}${uint16(0)}${uint16(0)}${uint32(0)}${uint32(headerBytes)}${name}`,
      ),
    );
    parts.push(local);
    positionBytes += local.length;
  }
  const sizeBytes = directory.reduce((sum, { length }) => sum + length, 0);
  const count = uint16(files.length);
  const end = latin1(`PK\x05\x06${uint32(0)}${count}${count}${uint32(sizeBytes)}${uint32(positionBytes)}${uint16(0)}`);
  return Buffer.concat([...parts, ...directory, end]);
}

/** A file as torch.save writes it since PyTorch 1.6, with one storage of four float32: 0, 1, 2, 3. */
export function archivePth(value: Operations, more: readonly ArchivedFile[] = [STORAGE]): Buffer {
  return archive([{ name: 'top/data.pkl', data: pickle(value) }, ...more]);
}

export const STORAGE: ArchivedFile = { name: 'top/data/0', data: Buffer.from(Float32Array.of(0, 1, 2, 3).buffer) };

/** The same as it was written before. */
export function legacyPth(
  value: Operations,
  { keys = ['0'], data = STORAGE.data, count = 4, head = LEGACY_HEAD } = {},
): Buffer {
  const listed = pickle(`](${keys.map(text).join('')}e`);
  return Buffer.concat([
    latin1(`${head}${pickle(value)}${listed}${uint32(count)}${uint32(0)}`),
    Buffer.from(data as string, 'latin1'),
  ]);
}

export const LEGACY_MAGIC = '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.';
export const LEGACY_HEAD = `${LEGACY_MAGIC}\x80\x02M\xe9\x03.${pickle(dict({ little_endian: '\x88' }))}`;

function latin1(characters: string): Buffer {
  return Buffer.from(characters, 'latin1');
}

function uint16(value: number): string {
  return String.fromCharCode(value & 255, (value >> 8) & 255);
}

function uint32(value: number): string {
  return uint16(value & 0xffff) + uint16(value >>> 16);
}
