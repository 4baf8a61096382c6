// The functions of the package that are no operators, with their arguments described as the dispatcher describes an operator's.

import * as torch from '../dist/index.js';
import { describe } from './describe.mjs';

const argument = (name, kind, more) => ({ name, kind, isList: false, isOptional: false, hasDefault: false, ...more });
const one = (name) => argument(name, 'Tensor');
const many = (name) => argument(name, 'Tensor', { isList: true, listLength: 0 });
const optional = (name, kind) => argument(name, kind, { isOptional: true });
const numbers = (...names) => names.map((name) => argument(name, 'float'));
const sizes = argument('shape', 'int', { isList: true, listLength: 0 });
const flags = (...names) => names.map((name) => optional(name, 'bool'));

/** A function under its name; `isOnTensor`: the first operand is a tensor whose method is called. */
const callable = (entry, args, run, more) => ({
  entry,
  name: entry,
  arguments: args,
  bind: (operands) => ({ text: `(${operands.map(describe).join(', ')})`, run: () => run(...operands) }),
  mayThrow: [TypeError], // where JavaScript itself refuses a null
  ...more,
});
const method = (entry, args, run, more) => callable(entry, [one('self'), ...args], run, { isOnTensor: true, ...more });

const { fused } = torch;
/** Lists with one tensor a parameter, of its shape. */
const parameterLists = (draw) => {
  const shapes = [draw.anySizes(), draw.anySizes()];
  const list = () => shapes.map((shape) => draw.floats(shape).detach());
  const written = () => list().map((entry) => entry.contiguous());
  const steps = shapes.map(() => draw.floats([]).detach().to('float32'));
  const foundInf = draw.maybe(draw.ints([1], 2, { dtype: 'float32' }));
  return {
    ...{ params: written(), grads: list(), steps, foundInf },
    ...{ expAvgs: written(), expAvgSqs: written(), momentumBuffers: written() },
    ...{ lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, momentum: 0.9, dampening: 0, maxNorm: 1 },
    ...{ trustCoefficient: 0.01, isAdapted: [true, draw.chance(0.5)] },
  };
};

const graph = (draw) => {
  const x = draw.floats(draw.anySizes()).detach().requiresGrad_();
  const y = x.mul(x);
  return { outputs: [y], inputs: [x], gradOutputs: [y.onesLike()], self: y, gradient: y.detach() };
};

const withBytes = (draw) => {
  const shape = draw.sizes(2);
  const to = draw.ints(shape, 9, { dtype: 'uint8' });
  return { bytes: Uint8Array.from({ length: to.numel }, () => draw.int(0, 255)), shape, to, dtype: 'uint8' };
};

/** A generator's state with one byte of it changed. */
const changedState = (draw) => {
  const state = torch.generator(1).getState();
  state[draw.chance(0.5) ? draw.int(0, 32) : draw.int(0, state.length - 1)] = draw.int(0, 255);
  return { state };
};

/** @type {import('./operators.mjs').Callable[]} */
export const handWritten = [
  callable(
    'fused.adamwStep',
    [
      ...['params', 'grads', 'expAvgs', 'expAvgSqs', 'steps'].map(many),
      ...numbers('lr', 'beta1', 'beta2', 'eps', 'weightDecay'),
      optional('foundInf', 'Tensor'),
    ],
    (params, grads, expAvgs, expAvgSqs, steps, lr, beta1, beta2, eps, weightDecay, foundInf) =>
      fused.adamwStep(params, grads, expAvgs, expAvgSqs, steps, { lr, beta1, beta2, eps, weightDecay }, foundInf),
    { fit: parameterLists },
  ),
  callable(
    'fused.sgdStep',
    [
      ...['params', 'grads', 'momentumBuffers'].map(many),
      ...numbers('lr', 'momentum', 'dampening', 'weightDecay'),
      ...flags('nesterov', 'isFirstStep'),
      optional('foundInf', 'Tensor'),
    ],
    (params, grads, buffers, lr, momentum, dampening, weightDecay, nesterov, isFirstStep, foundInf) =>
      fused.sgdStep(params, grads, buffers, { lr, momentum, dampening, weightDecay, nesterov, isFirstStep }, foundInf),
    { fit: parameterLists },
  ),
  callable('fused.emaUpdate', [many('params'), many('grads'), ...numbers('momentum')], fused.emaUpdate, {
    fit: parameterLists,
  }),
  callable('fused.gradNorm', [many('params')], fused.gradNorm, { fit: parameterLists }),
  callable('fused.clipGradNorm', [many('params'), ...numbers('maxNorm')], fused.clipGradNorm, { fit: parameterLists }),
  callable('fused.allFinite', [many('params')], fused.allFinite, { fit: parameterLists }),
  callable('fused.zeroGrad', [many('params')], fused.zeroGrad, { fit: parameterLists }),

  callable(
    'grad',
    [...['outputs', 'inputs', 'gradOutputs'].map(many), ...flags('createGraph', 'retainGraph', 'allowUnused')],
    (outputs, inputs, gradOutputs, createGraph, retainGraph, allowUnused) =>
      torch.grad(outputs, inputs, { gradOutputs, createGraph, retainGraph, allowUnused }),
    { fit: graph },
  ),
  method(
    'Tensor.backward',
    [optional('gradient', 'Tensor'), ...flags('createGraph', 'retainGraph')],
    (self, gradient, createGraph, retainGraph) => self.backward(gradient, { createGraph, retainGraph }),
    { fit: graph },
  ),
  method('Tensor.grad', [one('gradient')], (self, gradient) => {
    self.grad = gradient;
    return self.grad;
  }),

  method('Tensor.at', [argument('index', 'Index'), argument('index', 'Index')], (self, ...index) => self.at(...index)),
  method('Tensor.set', [argument('index', 'Index'), argument('value', 'Scalar')], (self, index, value) =>
    self.set(index, value),
  ),
  method(
    'Tensor.to',
    [
      ...[optional('dtype', 'ScalarType'), optional('device', 'Device'), optional('memoryFormat', 'MemoryFormat')],
      ...flags('copy', 'nonBlocking'),
    ],
    (self, dtype, device, memoryFormat, copy, nonBlocking) =>
      self.to({ dtype, device, memoryFormat, copy, nonBlocking }),
  ),
  method('Tensor.moveTo', [argument('device', 'Device')], (self, device) => self.moveTo(device)),
  method('Tensor.isPinned', [], (self) => self.isPinned),
  method('DeviceStream.recordTensor', [argument('device', 'Device')], (self, device) =>
    new torch.DeviceStream(device).recordTensor(self),
  ),
  method('Tensor.item', [], (self) => self.item(), { fit: (draw) => ({ self: draw.floats([1]) }) }),
  method('Tensor.toArray', [], (self) => self.toArray()),
  method('Tensor.toString', [], (self) => self.toString()),

  callable('tensor', [argument('values', 'Scalar', { isList: true }), optional('dtype', 'ScalarType')], (data, dtype) =>
    torch.tensor(data, { dtype }),
  ),
  callable('full', [sizes, argument('value', 'Scalar'), optional('dtype', 'ScalarType')], (shape, value, dtype) =>
    torch.full(shape, value, { dtype }),
  ),
  callable(
    'fromBytes',
    [argument('bytes', 'Bytes'), sizes, argument('dtype', 'ScalarType')],
    (bytes, shape, dtype) => torch.fromBytes(bytes, shape, dtype),
    { fit: withBytes },
  ),
  callable('copyBytes', [one('to'), argument('bytes', 'Bytes')], torch.copyBytes, { fit: withBytes }),
  callable(
    'Generator.setState',
    [argument('state', 'Bytes')],
    (state) => torch.rand([5000], { generator: torch.generator(1).setState(state) }),
    { fit: changedState },
  ),
];
