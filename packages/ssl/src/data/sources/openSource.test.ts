import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { DataError } from '../../errors.js';
import { openSource } from './openSource.js';
import { paxPath, tarArchive, type TestMember } from './tarArchive.case.js';
import { readTarMembers } from './tarArchive.js';

const root = mkdtempSync(join(tmpdir(), 'halfway-source-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let numMade = 0;
function folder(files: readonly string[]): string {
  numMade += 1;
  const made = join(root, String(numMade));
  mkdirSync(made);
  for (const file of files) {
    mkdirSync(dirname(join(made, file)), { recursive: true });
    writeFileSync(join(made, file), `bytes of ${file}`);
  }
  return made;
}
function file(name: string, bytes: Buffer | string): string {
  const path = join(folder([]), name);
  writeFileSync(path, bytes);
  return path;
}
const tar = (members: readonly TestMember[]): string => file('x.tar', tarArchive(members));
const ids = (path: string): string[] => openSource([path]).samples.map((sample) => sample.id);
const message = (paths: readonly string[]): string => {
  try {
    openSource(paths);
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('no error');
};

describe('a folder', () => {
  it("lists photos in ImageFolder's order, with a class per first-level folder", () => {
    // Order and labels are those that torchvision 0.29 gives for these files.
    const source = openSource([
      folder(['b/2.jpg', 'b/10.png', 'B/x.JPEG', 'a-b/y.webp', 'a/z/1.jpg', 'a/k.jpg', 'a/z.jpg', 'b/notes.md']),
    ]);
    expect(source.samples.map((sample) => sample.id)).toEqual([
      'B/x.JPEG',
      'a/k.jpg',
      'a/z.jpg',
      'a/z/1.jpg',
      'a-b/y.webp',
      'b/10.png',
      'b/2.jpg',
    ]);
    expect(source.classNames).toEqual(['B', 'a', 'a-b', 'b']);
    expect(source.samples.map((sample) => sample.label)).toEqual([0, 1, 1, 1, 2, 3, 3]);
    expect(source.samples[0]).toMatchObject({ offsetBytes: 0, sizeBytes: 'bytes of B/x.JPEG'.length });
  });

  it('has no labels when a photo lies beside the class folders', () => {
    const source = openSource([folder(['a/1.jpg', 'b/2.jpg', '3.jpg'])]);
    expect(source.classNames).toEqual([]);
    expect(source.samples.map((sample) => sample.label)).toEqual([undefined, undefined, undefined]);
    expect(source.samples.map((sample) => sample.id)).toEqual(['3.jpg', 'a/1.jpg', 'b/2.jpg']);
  });

  it('looks through a folder that holds all classes', () => {
    expect(openSource([folder(['train/a/1.jpg', 'train/b/2.jpg'])]).classNames).toEqual(['a', 'b']);
    expect(openSource([folder(['train/a/1.jpg'])]).classNames).toEqual(['a']);
    expect(openSource([folder(['a/1.jpg', 'a/2.jpg'])]).classNames).toEqual(['a']);
  });

  it('passes over hidden files and follows links, but not in a circle', () => {
    const made = folder(['a/1.jpg', 'a/._1.jpg', '.thumbnails/1.jpg']);
    symlinkSync(made, join(made, 'a', 'up'));
    symlinkSync(join(made, 'a'), join(made, 'linked'));
    symlinkSync(join(made, 'gone.jpg'), join(made, 'a', 'broken.jpg'));
    expect(ids(made)).toEqual(['a/1.jpg', 'a/broken.jpg', 'linked/1.jpg', 'linked/broken.jpg']);
  });

  it('says what it found where there are no photos', () => {
    expect(message([folder([])])).toMatch(
      /must hold photos, got none under .*; the folder is empty; photos end in \.jpg/,
    );
    expect(message([folder(['a/x.bmp', 'a/y.bmp', 'z.txt'])])).toContain('it holds 2 files like *.bmp');
    expect(message([folder(['x-0.tar'])])).toContain('it holds 1 .tar files: give those as the data');
  });

  it('sorts by code point, not by UTF-16 unit', () => {
    expect(ids(folder(['\u{1f600}.jpg', '\uff21.jpg', 'z.jpg']))).toEqual(['z.jpg', '\uff21.jpg', '\u{1f600}.jpg']);
  });
});

describe('a tar shard', () => {
  it('finds bodies by offset through long names of every form', () => {
    const long = `train/${'d'.repeat(120)}/${'f'.repeat(120)}.jpg`;
    const path = tar([
      { name: 'train/', type: '5' },
      { name: 'short.jpg', body: 'one' },
      { name: 'p.jpg', prefix: 'train/dog', body: 'two', isBinarySize: true },
      { name: '././@LongLink', type: 'L', body: `${long}\0` },
      { name: long.slice(0, 100), body: 'three' },
      { name: 'pax_global_header', type: 'g', body: '20 comment=whatever\n' },
      paxPath(`${long}.\u00e9.png`),
      { name: 'cut', body: 'four' },
      { name: 'link.jpg', type: '2' },
      { name: 'last.jpg', body: '' },
    ]);
    const members = readTarMembers(path);
    expect(members.map((member) => member.name)).toEqual([
      'short.jpg',
      'train/dog/p.jpg',
      long,
      `${long}.\u00e9.png`,
      'last.jpg',
    ]);
    expect(members.map((member) => member.sizeBytes)).toEqual([3, 3, 5, 4, 0]);
    expect(members[1]?.offsetBytes).toBe(4 * 512);
  });

  it.each(['-1536', 'abc', '1e3', '99999999999999999999'])('says of a pax size of %s that it is none', (value) => {
    const record = ` size=${value}\n`;
    const body = `${record.length + 2}${record}`;
    expect(
      message([
        tar([
          { name: 'h', type: 'x', body },
          { name: 'p.jpg', body: 'x' },
        ]),
      ]),
    ).toMatch(/a pax size must be a whole number, got ".*" in .*; make it again/);
  });

  it.each(['ustar', 'pax', 'gnu'])('reads what the system tar writes as %s', (format) => {
    const made = folder([`train/${'c'.repeat(70)}/${'n'.repeat(80)}.jpg`, 'train/b/2.jpg']);
    execFileSync('tar', ['--format', format, '-cf', join(made, 'x.tar'), '-C', made, './train']);
    const source = openSource([join(made, 'x.tar')]);
    expect(source.samples.map((sample) => sample.id)).toEqual([
      `train/b/2.jpg`,
      `train/${'c'.repeat(70)}/${'n'.repeat(80)}.jpg`,
    ]);
    expect(source.classNames).toEqual(['b', 'c'.repeat(70)]);
  });

  it('reads WebDataset samples, with numbered classes named by classes.txt', () => {
    const members = [
      { name: 'a.01.jpg', body: 'x' },
      { name: 'k1.jpg', body: 'x' },
      { name: 'k1.CLS', body: '2\n' },
      { name: 'k1.json', body: '{}' },
      { name: 'dir.d/k2.png', body: 'x' },
      { name: 'dir.d/k2.cls', body: '0' },
      { name: '__meta__.jpg', body: 'x' },
    ];
    const path = tar(members.slice(1));
    expect(openSource([path]).samples.map(({ id, label }) => [id, label])).toEqual([
      ['k1.jpg', 2],
      ['dir.d/k2.png', 0],
    ]);
    expect(openSource([path]).classNames).toEqual(['0', '1', '2']);
    writeFileSync(join(dirname(path), 'classes.txt'), 'hat\nshoe\nsock\n');
    expect(openSource([path]).classNames).toEqual(['hat', 'shoe', 'sock']);
    expect(openSource([path]).samples[0]?.label).toBe(2);
    expect(openSource([tar(members)]).classNames).toEqual([]); // a.01.jpg has no class
  });

  it('keeps archive order without labels, and folder order with', () => {
    expect(ids(tar([{ name: 'z.jpg' }, { name: 'a.jpg' }]))).toEqual(['z.jpg', 'a.jpg']);
    expect(ids(tar([{ name: './t/z/1.jpg' }, { name: './t/a/2.jpg' }]))).toEqual(['t/a/2.jpg', 't/z/1.jpg']);
  });

  it('refuses archives that are cut short, compressed, damaged or something else', () => {
    const whole = tarArchive([{ name: 'a.jpg', body: Buffer.alloc(1500) }]);
    const about = (bytes: Buffer): string => message([file('x.tar', bytes)]);
    expect(about(whole.subarray(0, 1600))).toMatch(
      /must be complete, got one that is cut short at byte 1600 .*copy or download it again/,
    );
    expect(about(whole.subarray(0, 2048))).toContain('cut short at byte 2048'); // at a member border: no end marker
    expect(about(whole.subarray(0, 100))).toContain('cut short');
    expect(about(Buffer.alloc(0))).toContain('cut short');
    expect(about(Buffer.alloc(600, 'x'))).toContain('must be a tar archive, got something else');
    expect(about(Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(600)]))).toContain('got gzip');
    const flipped = Buffer.concat([tarArchive([{ name: 'a.jpg' }]).subarray(0, 512), whole]);
    flipped[600] = 1;
    expect(about(flipped)).toContain('got a damaged header at byte 512');
    expect(message([tar([{ name: 'a.jpg', type: 'S' }])])).toContain('got a sparse file');
    expect(message([tar([{ name: 'readme.md', body: 'x' }])])).toContain('must hold photos, got none among 1 files');
  });

  it('lets a later member of the same name count', () => {
    const source = openSource([
      tar([
        { name: 'a.jpg', body: 'old' },
        { name: 'a.jpg', body: 'newer' },
      ]),
    ]);
    expect(source.samples).toMatchObject([{ sizeBytes: 5 }]);
  });
});

describe('a file list', () => {
  it('is relative to itself and takes classes after a tab', () => {
    const made = folder(['p/1.jpg', '2.jpg']);
    writeFileSync(join(made, 'list.txt'), `p/1.jpg\tdog\r\n\n${join(made, '2.jpg')}\tcat\ngone.jpg\tcat\n`);
    const source = openSource([join(made, 'list.txt')]);
    expect(source.classNames).toEqual(['cat', 'dog']);
    expect(source.samples.map(({ label, sizeBytes }) => [label, sizeBytes > 0])).toEqual([
      [1, true],
      [0, true],
      [0, false],
    ]);
  });

  it('says what is wrong with it', () => {
    expect(message([file('a.txt', '\n')])).toContain('must name photos, got no line');
    expect(message([file('a.txt', 'x.jpg\ny.jpg\n')])).toMatch(/must exist, got none of 2 .*paths are relative to/);
    const made = folder(['1.jpg', '2.jpg']);
    writeFileSync(join(made, 'half.txt'), '1.jpg\tdog\n2.jpg\n');
    expect(message([join(made, 'half.txt')])).toContain('all lines or none must have a class, got 1 of 2');
    writeFileSync(join(made, 'twice.txt'), '1.jpg\n1.jpg\n');
    expect(message([join(made, 'twice.txt')])).toContain('must be given once, got 1.jpg twice; leave one out');
    writeFileSync(join(made, 'twice.txt'), '1.jpg\n./1.jpg\n');
    expect(message([join(made, 'twice.txt')])).toContain('got 1.jpg and ./1.jpg, which are one file; leave one out');
  });
});

describe('openSource', () => {
  it('joins paths of several kinds, with one set of classes and unique ids', () => {
    const made = folder(['dog/1.jpg']);
    const shard = tar([
      { name: 'cat/1.jpg', body: 'x' },
      { name: 'dog/1.jpg', body: 'xx' },
    ]);
    const source = openSource([made, shard]);
    expect(source.samples.map((sample) => sample.id)).toEqual([
      `${basename(made)}:dog/1.jpg`, // the one name that both have
      'cat/1.jpg',
      'x.tar:dog/1.jpg',
    ]);
    expect(source.samples.map((sample) => sample.label)).toEqual([1, 0, 1]);
    expect(openSource([made, folder(['2.jpg'])]).classNames).toEqual([]);
    expect(openSource([made, folder(['2.jpg'])]).samples.map((sample) => sample.id)).toEqual(['dog/1.jpg', '2.jpg']);
  });

  it('names photos that several paths have by the ends of these, from wherever they are given', () => {
    const outer = folder(['a/x/1.jpg', 'a/x/2.jpg', 'b/x/1.jpg', 'b/x/3.jpg']);
    const paths = [join(outer, 'a/x'), join(outer, 'b/x')];
    const names = (given: readonly string[]): string[] => openSource(given).samples.map(({ id }) => id);
    expect(names(paths)).toEqual(['a/x:1.jpg', '2.jpg', 'b/x:1.jpg', '3.jpg']);
    expect(names(paths.map((path) => relative(process.cwd(), path)))).toEqual(names(paths));
  });

  it('refuses a photo of a list that a folder has too', () => {
    const made = folder(['1.jpg', '2.jpg']);
    const list = file('list.txt', `${join(made, '2.jpg')}\n`);
    expect(message([made, list])).toContain(`got 2.jpg and ${join(made, '2.jpg')}, which are one file`);
  });

  it('lists a photo whose links go round, as one that cannot be read, and says so of a path', () => {
    const made = folder(['1.jpg']);
    symlinkSync('loop.jpg', join(made, 'loop.jpg'));
    expect(openSource([made]).samples.map(({ id, sizeBytes }) => [id, sizeBytes > 0])).toEqual([
      ['1.jpg', true],
      ['loop.jpg', false],
    ]);
    expect(message([join(made, 'loop.jpg')])).toContain('the path must be readable, got ELOOP');
  });

  it('sorts numbered classes of several shards as numbers', () => {
    const shard = (key: string, label: string) => tar([{ name: `${key}.jpg` }, { name: `${key}.cls`, body: label }]);
    const source = openSource([shard('a', '10'), shard('b', '2')]);
    expect(source.classNames).toHaveLength(11);
    expect(source.samples.map((sample) => sample.label)).toEqual([10, 2]);
  });

  it('reads the photos that come with the program', () => {
    const shards = (part: string, count: number): string[] =>
      Array.from({ length: count }, (_, i) =>
        fileURLToPath(
          new URL(`../../../../../assets/clothing/${part}-${String(i).padStart(6, '0')}.tar`, import.meta.url),
        ),
      );
    const parts = [openSource(shards('train', 3)), openSource(shards('validation', 1)), openSource(shards('test', 1))];
    expect(parts.map(({ samples }) => samples.length)).toEqual([3068, 341, 372]);
    const classes = ['dress', 'hat', 'longsleeve', 'outwear', 'pants', 'shirt', 'shoes', 'shorts', 'skirt', 't-shirt'];
    for (const { classNames, samples } of parts) {
      expect(classNames).toEqual(classes);
      expect(new Set(samples.map(({ label }) => label)).size).toBe(10);
      expect(samples.every(({ id, sizeBytes }) => id.endsWith('.jpg') && sizeBytes > 500)).toBe(true);
    }
    expect(new Set(parts.flatMap(({ samples }) => samples.map(({ id }) => id))).size).toBe(3781); // no photo in two parts
  });

  it('has a fingerprint that follows names and sizes, not the place', () => {
    const hash = (path: string): string => openSource([path]).fingerprint.hash;
    const made = folder(['a/1.jpg', 'b/2.jpg']);
    expect(hash(made)).toBe(hash(folder(['a/1.jpg', 'b/2.jpg'])));
    expect(hash(`${made}/`)).toBe(hash(made));
    writeFileSync(join(made, 'b/2.jpg'), 'another size');
    expect(hash(made)).not.toBe(hash(folder(['a/1.jpg', 'b/2.jpg'])));
  });

  it('says what to do about a path that cannot be used', () => {
    expect(message([])).toContain('at least one path is needed');
    expect(message([join(root, 'nowhere')])).toMatch(
      /the path must exist, got .*nowhere; check it, it is relative to /,
    );
    expect(message([file('photo.jpg', 'x')])).toContain('must be a folder, a .tar or a .txt list');
    expect(message([file('x.tar.gz', 'x')])).toContain('unpack it first');
    const made = folder(['1.jpg']);
    expect(message([made, made])).toContain('must be given once');
    expect(message([made, `${made}/.`])).toContain(`got ${made} and ${made}/., which are one; leave one out`);
    const outer = folder(['a/1.jpg', 'b/2.jpg']);
    expect(message([join(outer, 'a'), outer])).toContain(`got ${join(outer, 'a')} and ${outer}, which holds it`);
    symlinkSync(outer, `${outer}-link`);
    expect(message([outer, `${outer}-link`])).toContain('which are one');
    expect(openSource([join(outer, 'a'), join(outer, 'b')]).samples).toHaveLength(2);
    rmSync(`${outer}-link`);
    if (process.getuid?.() === 0) return; // root may read everything
    chmodSync(made, 0);
    expect(message([made])).toContain('must be readable');
  });
});
