// Our training step, the one that the loop runs, on views that are the same or rendered anew each time.
import * as torch from '@halfway/torch';
import { saveSafetensors } from '@halfway/torch/io';
import { deviceBatch } from '../../packages/ssl/dist/data/device.js';
import { cropRequest } from '../../packages/ssl/dist/data/feed.js';
import { stepParams } from '../../packages/ssl/dist/train/schedule.js';
import { createTrainState } from '../../packages/ssl/dist/train/state.js';
import { trainStep } from '../../packages/ssl/dist/train/step.js';
import { serve } from './serve.mjs';

/**
 * @param rendersViews whether augmentation and path belong to the step; it is then compared with another network of ours
 * @param exchange a file to write first weights, views and masks to, so that the peer begins with them and has the same loss
 */
function prepare({ config, dtype, rendersViews = false, exchange }) {
  const { device, seed, steps, threads } = config.train;
  torch.setNumThreads(threads);
  const marks = [];
  const mark = (part) => marks.push([part, performance.now()]);
  const state = withMarks(createTrainState(config, dtype), mark);
  const params = stepParams(steps / 2, config, state.objective);
  const { views, planMasks, network } = state.objective;
  const host = randomPixels(views, config);
  const render = () => deviceBatch(host, { views, planMasks, config, seed, device });
  const fixed = rendersViews ? undefined : render();
  const run = () => {
    marks.length = 0;
    mark('start');
    torch.scope(() => {
      const batch = fixed ?? render();
      if (rendersViews) mark('views');
      trainStep(state, batch, params);
    });
    torch.synchronize(device);
    mark('update');
    return { parts: durations(marks) };
  };
  if (rendersViews) return { run };
  const work = { parameters: network.numParameters() };
  if (exchange === undefined) return { run, ...work };
  saveSafetensors(exchange, new Map([...network.stateDict(), ...namedInputs(fixed)]));
  const loss = firstLoss(state, fixed, params);
  torch.memory.emptyCache(); // blocks of that pass's sizes are no part of a step, and would count in its peak
  return { run, ...work, firstLoss: loss };
}

/** Pixels in [0, 1] as `view.0` ..., masks as `mask.0` ... */
function namedInputs({ views }) {
  return views.flatMap(({ images, mask }, i) => [
    [`view.${i}`, images],
    ...(mask === undefined ? [] : [[`mask.${i}`, mask]]),
  ]);
}

/** The loss before the first step, in float32. */
function firstLoss({ objective, objectiveState, context }, batch, params) {
  return torch.scope(() => {
    const ctx = { ...context, computeDtype: 'float32' };
    const { terms } = torch.noGrad(() => objective.forward(batch, params, objectiveState, ctx));
    return Object.entries(terms).reduce((sum, [name, term]) => sum + params.weights[name] * term.item(), 0);
  });
}

/** The state, with a mark where its forward pass ends and where its update begins. */
function withMarks(state, mark) {
  const { objective, optimizer } = state;
  const forward = (...args) => {
    const output = objective.forward(...args);
    mark('forward');
    return output;
  };
  const step = (...args) => {
    mark('backward');
    optimizer.step(...args);
  };
  return {
    ...state,
    objective: { ...objective, forward },
    optimizer: { step, zeroGrad: () => optimizer.zeroGrad() },
  };
}

/** From marks (name of what ended, when) to milliseconds by name. */
function durations(marks) {
  return Object.fromEntries(marks.slice(1).map(([part, at], i) => [part, at - marks[i][1]]));
}

/** What the decode processes would have left in the ring. */
function randomPixels(views, { augment, train: { batch } }) {
  const canvasPx = views.map((view) => cropRequest(view, augment).canvasPx);
  return {
    canvasPx,
    views: canvasPx.map((side) => Uint8Array.from({ length: batch * 3 * side * side }, () => 256 * Math.random())),
    drawn: Array.from({ length: batch }, (_, index) => ({ epoch: 0, index })),
    indices: new Int32Array(batch),
  };
}

await serve(prepare);
