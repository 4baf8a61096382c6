// A small server that reads digits: POST an image of one digit in any format that sharp knows, get JSON.
//
//   node examples/dist/digits/serve.js [--weights digits.safetensors] [--port 8000]
//   curl --data-binary @seven.png http://localhost:8000      {"digit":7,"probabilities":[...]}

import { type IncomingMessage, type Server, createServer } from 'node:http';
import { parseArgs } from 'node:util';
import * as torch from '@halfway/torch';
import { loadSafetensors } from '@halfway/torch/io';
import type { ForwardContext } from '@halfway/torch/nn';
import sharp from 'sharp';
import { DigitNet, IMAGE_PX, NUM_DIGITS } from './network.js';

const MAX_BODY_BYTES = 10_000_000;

/** What the server answers. */
export interface Reading {
  readonly digit: number;
  readonly probabilities: readonly number[];
}

/** A server, not yet listening, with the weights that classify.ts wrote. */
export function createDigitServer(weights: string): Server {
  const ctx: ForwardContext = { train: false, computeDtype: 'float32' };
  const net = new DigitNet(NUM_DIGITS, torch.generator(0)); // drawn, then overwritten
  net.loadStateDict(loadSafetensors(weights).tensors);

  const read = (pixels: Uint8Array): Reading =>
    torch.scope(() =>
      torch.noGrad(() => {
        const image = torch.tensor(pixels, { shape: [1, IMAGE_PX, IMAGE_PX] });
        const probabilities = net.forward(image, ctx).softmax(1).at(0);
        return { digit: probabilities.argmax().item(), probabilities: probabilities.toArray() as number[] };
      }),
    );

  return createServer((request, response) => {
    const answer = (status: number, value: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    bodyOf(request)
      .then(whiteOnBlack)
      // The scope is entered when all waiting is over: it is synchronous, so requests never meet in one.
      .then((pixels) => answer(200, read(pixels)))
      .catch((error: unknown) => answer(400, { error: error instanceof Error ? error.message : String(error) }));
  });
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  if (request.method !== 'POST') throw new Error(`the method must be POST, got ${request.method ?? 'none'}`);
  const chunks: Buffer[] = [];
  let numBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    numBytes += chunk.length;
    if (numBytes > MAX_BODY_BYTES) throw new Error(`an image must have at most ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Grey pixels [28 * 28]; dark ink on light paper is turned into the white on black of the training images. */
async function whiteOnBlack(file: Buffer): Promise<Uint8Array> {
  const image = sharp(file).flatten({ background: 'white' }).greyscale();
  const pixels = await image.resize(IMAGE_PX, IMAGE_PX, { fit: 'fill' }).raw().toBuffer();
  const top = pixels.subarray(0, IMAGE_PX);
  const isPaper = top.reduce((sum, grey) => sum + grey, 0) / IMAGE_PX > 127;
  return isPaper ? pixels.map((grey) => 255 - grey) : pixels;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      weights: { type: 'string', default: 'digits.safetensors' },
      port: { type: 'string', default: '8000' },
    },
  });
  createDigitServer(values.weights).listen(Number(values.port), () => {
    console.log(`reading digits on http://localhost:${values.port}`);
  });
}
