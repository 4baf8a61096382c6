/** Tar archives made in memory, for tests: ustar, pax and GNU long names, and every kind of damage by slicing the result. */

export interface TestMember {
  readonly name: string;
  readonly body?: Buffer | string;
  /** Type flag; '0' is a regular file. */
  readonly type?: string;
  readonly prefix?: string;
  /** Size in base 256, as for files of 8 GiB and more. */
  readonly isBinarySize?: boolean;
}

/** One member: header, body, padding. */
export function tarMember({ name, body = '', type = '0', prefix = '', isBinarySize = false }: TestMember): Buffer {
  const bytes = Buffer.from(body);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0' + '0000000\0'.repeat(2), 100);
  header.write(bytes.length.toString(8).padStart(11, '0'), 124);
  if (isBinarySize) {
    header.fill(0, 124, 136);
    header[124] = 0x80;
    header.writeUInt32BE(bytes.length, 132);
  }
  header.write('00000000000', 136);
  header.write(type, 156);
  header.write('ustar\x0000', 257, 'latin1');
  header.write(prefix, 345, 155);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A whole archive with its end marker. */
export function tarArchive(members: readonly TestMember[]): Buffer {
  return Buffer.concat([...members.map(tarMember), Buffer.alloc(1024)]);
}

/** The pax header that gives the next member a path of any length. */
export function paxPath(path: string): TestMember {
  const text = ` path=${path}\n`;
  let length = Buffer.byteLength(text) + 1;
  while (Buffer.byteLength(`${length}${text}`) !== length) length += 1;
  return { name: 'PaxHeaders/x', type: 'x', body: `${length}${text}` };
}
