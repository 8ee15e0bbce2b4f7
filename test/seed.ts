/**
 * Where `CI` is set, property tests draw the same cases each time, so that a red run is about the change and not about the draw; everywhere else, and in
 * `npm run test:property` always, the draw is new each time. Loaded by vitest before each test file.
 */
import fc from 'fast-check';

if (process.env['CI'] !== undefined) fc.configureGlobal({ seed: 20_261_124 });
