/** What a plan joins: the sides that use the arrangement of a table or view (which object, by which of its columns), and whether it joins at all. Pure. Called by `dataflow.ts`. */
import { unreachable } from '../../base/assert.ts';
import type { Fused, SharedSide } from './fuse.ts';

export function sharedSides(fused: Fused): SharedSide[] {
  switch (fused.kind) {
    case 'scan':
    case 'values':
      return [];
    case 'map':
    case 'stateful':
      return sharedSides(fused.input);
    case 'union':
      return fused.inputs.flatMap(sharedSides);
    case 'join':
      return [fused.left, fused.right].flatMap((side) => (side.kind === 'own' ? sharedSides(side.input) : [side]));
    default:
      return unreachable(fused);
  }
}

export function hasJoin(fused: Fused): boolean {
  switch (fused.kind) {
    case 'scan':
    case 'values':
      return false;
    case 'map':
    case 'stateful':
      return hasJoin(fused.input);
    case 'union':
      return fused.inputs.some(hasJoin);
    case 'join':
      return true;
    default:
      return unreachable(fused);
  }
}
