// Makes packages/ssl/assets/clothing from tars of image folders (train.tar, validation.tar, test.tar; <part>/<class>/<id>.jpg):
// WebDataset shards of the same JPEG bytes, each photo `<id>.jpg` beside `<id>.cls`. Equal input gives equal bytes.
// Usage: node scripts/makeClothingShards.mjs FOLDER_OF_TARS

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BLOCK = 512;
const SHARD_PHOTOS = 1024;
const out = fileURLToPath(new URL('../packages/ssl/assets/clothing', import.meta.url));
const [source] = process.argv.slice(2);
if (source === undefined) {
  process.stderr.write('makeClothingShards: the folder of train.tar, validation.tar and test.tar must be named\n');
  process.exit(2);
}

mkdirSync(out, { recursive: true });
const parts = ['train', 'validation', 'test'].map((name) => ({
  name,
  photos: readPhotos(join(source, `${name}.tar`)),
}));
const classes = [...new Set(parts.flatMap(({ photos }) => photos.map(({ className }) => className)))].sort();
for (const { name, photos } of parts) {
  photos.sort((a, b) => (a.id < b.id ? -1 : 1)); // by id, so that a shard holds all classes
  for (let first = 0, shard = 0; first < photos.length; first += SHARD_PHOTOS, shard++) {
    const members = photos.slice(first, first + SHARD_PHOTOS).flatMap(({ id, className, bytes }) => [
      { name: `${id}.cls`, bytes: Buffer.from(String(classes.indexOf(className))) },
      { name: `${id}.jpg`, bytes },
    ]);
    writeFileSync(join(out, `${name}-${String(shard).padStart(6, '0')}.tar`), tarOf(members));
  }
}
writeFileSync(join(out, 'classes.txt'), `${classes.join('\n')}\n`);
copyFileSync(join(source, 'LICENSE'), join(out, 'LICENSE'));

function readPhotos(path) {
  const tar = readFileSync(path);
  const photos = [];
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0;) {
    const text = (offset, length) => tar.toString('utf8', at + offset, at + offset + length).split('\0')[0];
    const [name, size, type] = [text(0, 100), parseInt(text(124, 12), 8), text(156, 1)];
    const [, className, file] = name.split('/');
    if (type === '0' && file !== undefined) {
      photos.push({ id: file.replace(/\.\w+$/, ''), className, bytes: tar.subarray(at + BLOCK, at + BLOCK + size) });
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return photos;
}

/** A ustar archive: regular files, mode 644, no owner, no time. */
function tarOf(members) {
  const chunks = members.flatMap(({ name, bytes }) => [
    headerOf(name, bytes.length),
    bytes,
    Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK),
  ]);
  return Buffer.concat([...chunks, Buffer.alloc(2 * BLOCK)]);
}

function headerOf(name, sizeBytes) {
  const header = Buffer.alloc(BLOCK);
  const octal = (value, digits) => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(sizeBytes, 11), 124);
  header.write(octal(0, 11), 136);
  header.write('        ', 148); // the checksum is taken with blanks in its own place
  header.write('0', 156);
  header.write('ustar\x0000', 257, 'latin1');
  header.write(
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    )} `,
    148,
  );
  return header;
}
