// A character-level language model: a small decoder-only transformer learns to continue a text.
//
//   node examples/dist/charTransformer.js --text book.txt [--steps 1000] [--prompt "The "] [--out charTransformer.safetensors]
//
// The idea is that of `chargpt` in Andrej Karpathy's minGPT (https://github.com/karpathy/minGPT, MIT), and so are its choices: norms
// before attention and MLP, weights drawn with a deviation of 0.02, decay of the linear layers' weights only, AdamW with betas 0.9 and
// 0.95, gradients clipped to a norm of 1. The code is written anew.
//
// B texts, T characters, D width, V characters of the alphabet.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as torch from '@halfway/torch';
import { saveSafetensors } from '@halfway/torch/io';
import {
  Attention,
  Embedding,
  type ForwardContext,
  LayerNorm,
  Linear,
  Module,
  Parameter,
  crossEntropy,
  dropout,
  geluTanh,
  init,
} from '@halfway/torch/nn';
import { AdamW, clipGradNorm, cosineSchedule } from '@halfway/torch/optim';

/** How large the model is. */
export interface CharTransformerConfig {
  readonly numCharacters: number; // V
  readonly contextLength: number; // the largest T
  readonly depth: number;
  readonly dim: number; // D
  readonly numHeads: number;
  readonly dropoutRate: number;
}

/** Attention to the characters so far, then an MLP of four times the width, each added to what comes in. */
class Block extends Module {
  readonly norm1: LayerNorm;
  readonly attention: Attention;
  readonly norm2: LayerNorm;
  readonly widen: Linear;
  readonly narrow: Linear;
  readonly dropoutRate: number;

  constructor({ dim, numHeads, dropoutRate }: CharTransformerConfig, rng: torch.Generator) {
    super();
    this.norm1 = new LayerNorm(dim);
    this.attention = new Attention({ dim, numHeads, isCausal: true }, rng);
    this.norm2 = new LayerNorm(dim);
    this.widen = new Linear(dim, 4 * dim, rng);
    this.narrow = new Linear(4 * dim, dim, rng);
    this.dropoutRate = dropoutRate;
  }

  /** [B, T, D] to [B, T, D]. */
  forward(x: torch.Tensor, ctx: ForwardContext): torch.Tensor {
    const mixed = this.attention.forward(this.norm1.forward(x, ctx), ctx);
    const y = x.add(dropout(mixed, this.dropoutRate, ctx));
    const hidden = geluTanh(this.widen.forward(this.norm2.forward(y, ctx), ctx)); // [B, T, 4 D]
    return y.add(dropout(this.narrow.forward(hidden, ctx), this.dropoutRate, ctx));
  }
}

/** Says for each place of a text which character comes next. */
export class CharTransformer extends Module {
  readonly characters: Embedding;
  readonly places: Parameter; // [T, D]
  readonly blocks: readonly Block[];
  readonly norm: LayerNorm;
  readonly head: Linear;
  readonly config: CharTransformerConfig;

  constructor(config: CharTransformerConfig, rng: torch.Generator) {
    super();
    const { numCharacters, contextLength, depth, dim } = config;
    this.characters = new Embedding(numCharacters, dim, rng);
    this.places = new Parameter(torch.zeros([contextLength, dim]));
    this.blocks = Array.from({ length: depth }, () => new Block(config, rng));
    this.norm = new LayerNorm(dim);
    this.head = new Linear(dim, numCharacters, rng, { bias: false });
    this.config = config;

    // What is added to the stream 2 depth times is drawn smaller, so that the sum keeps its size.
    const intoStream = new Set<Module>(this.blocks.flatMap(({ attention, narrow }) => [attention.proj, narrow]));
    for (const [, module] of this.namedModules()) {
      if (!(module instanceof Linear || module instanceof Embedding)) continue;
      init.normal_(module.weight, intoStream.has(module) ? 0.02 / Math.sqrt(2 * depth) : 0.02, rng);
      if (module instanceof Linear && module.bias !== undefined) init.constant_(module.bias, 0);
    }
  }

  /** int64 [B, T] to logits [B, T, V]. */
  forward(ids: torch.Tensor, ctx: ForwardContext): torch.Tensor {
    const numPlaces = ids.shape[1] ?? 0;
    const embedded = this.characters.forward(ids, ctx).add(this.places.at({ end: numPlaces })); // [B, T, D]
    let x = dropout(embedded, this.config.dropoutRate, ctx);
    for (const block of this.blocks) x = block.forward(x, ctx);
    return this.head.forward(this.norm.forward(x, ctx), ctx);
  }
}

/** The characters of a text, sorted, and the way from text to numbers and back. */
export class Alphabet {
  readonly characters: readonly string[];

  constructor(text: string) {
    this.characters = [...new Set(text)].sort();
  }

  /** int64 [T]. Throws Error for a character that the alphabet does not have. */
  encode(text: string): torch.Tensor {
    const positions = new Map(this.characters.map((character, i) => [character, i]));
    const ids = Array.from(text, (character) => {
      const id = positions.get(character);
      if (id === undefined) throw new Error(`the text to learn from has no ${JSON.stringify(character)}`);
      return id;
    });
    return torch.tensor(ids, { dtype: 'int64' });
  }

  decode(ids: torch.Tensor): string {
    return (ids.toArray() as number[]).map((id) => this.characters[id]).join('');
  }
}

/** How long to train, on how much at once, and how fast. */
export interface TrainingOptions {
  readonly numSteps: number;
  readonly batchSize: number; // B
  readonly lr: number; // the highest
  /** Called after each step with its loss, in nats a character. */
  readonly onStep?: (step: number, loss: number) => void;
}

/** Trains on random windows of a text, int64 [N]; returns the loss of each step. */
export function train(
  model: CharTransformer,
  text: torch.Tensor,
  rng: torch.Generator,
  { numSteps, batchSize, lr, onStep }: TrainingOptions,
): number[] {
  const ctx: ForwardContext = { train: true, rng, computeDtype: 'float32' };
  const linears = model.namedModules().flatMap(([, module]) => (module instanceof Linear ? [module.weight] : []));
  const optimizer = new AdamW(
    [
      { name: 'decayed', parameters: linears, weightDecay: 0.1 },
      { name: 'plain', parameters: model.parameters().filter((p) => !linears.includes(p)), weightDecay: 0 },
    ],
    { betas: [0.9, 0.95] },
  );
  const windows = text.unfold(0, model.config.contextLength + 1, 1); // [N - T, T + 1]: a view, nothing is copied
  const losses: number[] = [];
  for (let step = 0; step < numSteps; step++) {
    torch.scope(() => {
      const chosen = torch.randint(windows.shape[0] ?? 0, [batchSize], { generator: rng });
      const loss = lossOf(model, windows.at(chosen), ctx);
      loss.backward();
      clipGradNorm(model.parameters(), 1);
      optimizer.step({ lr: cosineSchedule(step, { base: lr, totalSteps: numSteps, warmupSteps: numSteps / 20 }) });
      optimizer.zeroGrad();
      losses.push(loss.item());
    });
    onStep?.(step, losses[step] ?? Number.NaN);
  }
  return losses;
}

/** Mean loss of every character of the windows [B, T + 1] but the first. */
function lossOf(model: CharTransformer, windows: torch.Tensor, ctx: ForwardContext): torch.Tensor {
  const logits = model.forward(windows.at(':', { end: -1 }), ctx); // [B, T, V]
  return crossEntropy(logits.flatten(0, 1), windows.at(':', { start: 1 }).flatten());
}

/** Mean loss of the characters of a text, int64 [N], which is cut into windows. */
export function evaluate(model: CharTransformer, text: torch.Tensor): number {
  const ctx: ForwardContext = { train: false, computeDtype: 'float32' };
  const { contextLength } = model.config;
  return torch.scope(() =>
    torch.noGrad(() => {
      const windows = text.unfold(0, contextLength + 1, contextLength); // the last character of one begins the next
      const numWindows = windows.shape[0] ?? 0;
      const sums = windows
        .split(64)
        .map((some) => torch.scope(() => lossOf(model, some, ctx).item() * (some.shape[0] ?? 0)));
      return sums.reduce((sum, one) => sum + one, 0) / numWindows;
    }),
  );
}

// Draws come from so many of the likeliest characters.
const TOP_K = 10;

/** A prompt, int64 [T], and so many characters more. */
export function continueText(
  model: CharTransformer,
  prompt: torch.Tensor,
  numCharacters: number,
  rng: torch.Generator,
): torch.Tensor {
  const ctx: ForwardContext = { train: false, computeDtype: 'float32' };
  return torch.scope(() =>
    torch.noGrad(() => {
      let ids = prompt;
      for (let i = 0; i < numCharacters; i++) {
        ids = torch.scope(() => {
          const context = ids.at({ start: -model.config.contextLength }).unsqueeze(0);
          const logits = model.forward(context, ctx).at(0, -1); // [V]
          const [largest, candidates] = logits.topk(Math.min(TOP_K, logits.numel));
          const drawn = largest.softmax(0).multinomial(1, false, { generator: rng });
          return torch.cat([ids, candidates.at(drawn)]);
        });
      }
      return ids;
    }),
  );
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      text: { type: 'string', default: 'input.txt' },
      steps: { type: 'string', default: '1000' },
      prompt: { type: 'string', default: 'The ' },
      out: { type: 'string', default: 'charTransformer.safetensors' },
    },
  });
  const rng = torch.generator(0);
  const text = readFileSync(values.text, 'utf8');
  const alphabet = new Alphabet(text);
  const ids = alphabet.encode(text);
  const numTrain = Math.floor(0.9 * ids.numel); // the rest is for testing

  const numCharacters = alphabet.characters.length;
  const model = new CharTransformer(
    { numCharacters, contextLength: 64, depth: 4, dim: 128, numHeads: 4, dropoutRate: 0.1 },
    rng,
  );
  console.log(`${ids.numel} characters, ${numCharacters} different ones; ${model.numParameters()} parameters`);
  train(model, ids.at({ end: numTrain }), rng, {
    numSteps: Number(values.steps),
    batchSize: 32,
    lr: 1e-3,
    onStep: (step, loss) => {
      if (step % 100 === 0) console.log(`step ${step}: loss ${loss.toFixed(3)}`);
    },
  });
  console.log(`test loss ${evaluate(model, ids.at({ start: numTrain })).toFixed(3)} nats a character`);
  console.log(alphabet.decode(continueText(model, alphabet.encode(values.prompt), 400, rng)));
  saveSafetensors(values.out, model.stateDict(), { characters: alphabet.characters.join('') });
}
