/**
 * 0, stride, 2·stride …: where the rows of a DeltaBlock lie, as generated loops want to be told. One growing list a stride, shared by all operators:
 * only ever read. Called by operators that run generated code over a whole block.
 */
const lists = new Map<number, Int32Array>();

export function rowAddresses(stride: number, rows: number): Int32Array {
  const known = lists.get(stride);
  if (known !== undefined && known.length >= rows) return known;
  const list = new Int32Array(Math.max(256, 1 << (32 - Math.clz32(Math.max(1, rows - 1)))));
  for (let i = 0; i < list.length; i++) list[i] = i * stride;
  // A list for one huge block is not kept.
  if (list.length <= 1 << 17) lists.set(stride, list);
  return list;
}
