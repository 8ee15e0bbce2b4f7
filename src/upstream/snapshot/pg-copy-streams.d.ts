/** The part of pg-copy-streams that is used here; the package brings no types. */
declare module 'pg-copy-streams' {
  import type { Readable, ReadableOptions } from 'node:stream';
  import type { Submittable } from 'pg';

  export function to(text: string, options?: ReadableOptions): Readable & Submittable & { readonly rowCount: number };
}
