/**
 * What tests of numeric code need. No test runner is imported: failures are plain errors.
 * @module testing
 */

export { type CloseOptions, expectClose } from './expectClose.js';
export { expectNoLeak } from './expectNoLeak.js';
export { type GradientCheckOptions, gradientCheck } from './gradientCheck.js';
export { type Tolerance, tolerances } from './tolerances.js';
