// What a decode process does for each photo: read, decode, two crops into the ring.
import { readFileSync } from 'node:fs';
import * as torch from '@halfway/torch';
import { PhotoDecoder } from '../../packages/ssl/dist/data/decode/decodePhoto.js';
import { renderPhoto, uprightPhoto } from '../../packages/ssl/dist/data/decode/renderPhoto.js';
import { Ring, ringLayout } from '../../packages/ssl/dist/data/ring.js';
import { serve } from './serve.mjs';

function prepare({ config, files, sizePx }) {
  torch.setNumThreads(1);
  const { cropScale } = config.augment;
  const view = { sizePx, canvasPx: sizePx, sharesWithFirst: false, cropScale };
  const request = { kind: 'views', seed: 0, views: [view, view], augment: config.augment };
  const layout = ringLayout(1, files.length, [sizePx, sizePx]);
  const ring = new Ring(new ArrayBuffer(layout.totalBytes), layout);
  const decoder = new PhotoDecoder(config.data);
  let epoch = 0; // other crops each time
  const run = async () => {
    epoch += 1;
    for (const [slot, file] of files.entries()) {
      const photo = uprightPhoto(await decoder.decode(readFileSync(file)));
      renderPhoto(photo, request, { slot, epoch, drawnIndex: slot }, ring, 0);
      photo.pixels.dispose();
    }
  };
  return { run, photos: files.length };
}

await serve(prepare);
