import { expect, test } from 'vitest';
import { parseNodeTree, parseQueryTree, type Datum, type TreeNode } from './node-tree.ts';

test('a node has fields, a field a node, a list, a word or nothing', () => {
  const node = parseNodeTree(
    '{FROMEXPR :fromlist ({RANGETBLREF :rtindex 1} {RANGETBLREF :rtindex 2}) :quals <> :name "x" :flag true}',
  ) as TreeNode;
  expect(node.tag).toBe('FROMEXPR');
  expect(node.nodes('fromlist').map((ref) => ref.number('rtindex'))).toEqual([1, 2]);
  expect(node.maybe('quals')).toBeNull();
  expect(node.text('name')).toBe('x');
  expect(node.flag('flag')).toBe(true);
  expect(node.nodes('fromlist')[1]!.source).toBe('{RANGETBLREF :rtindex 2}');
});

test('lists of numbers, names with blanks, braces and backslashes', () => {
  const node = parseNodeTree(
    String.raw`{ALIAS :aliasname a\ b\{\\ :colnames ("x\ y" "" "q"q" "\<>") :oids (o 16 25) :bits (b) :null <>}`,
  ) as TreeNode;
  expect(node.text('aliasname')).toBe('a b{\\');
  expect(node.list('colnames')).toEqual(['x y', '', 'q"q', '<>']);
  expect(node.numbers('oids')).toEqual([16, 25]);
  expect(node.list('bits')).toEqual([]);
});

test('constants are bytes', () => {
  const node = parseNodeTree('{CONST :consttype 23 :constvalue 4 [ -1 0 127 -128 ] :location -1}') as TreeNode;
  expect((node.value('constvalue') as Datum).bytes).toEqual(Uint8Array.of(255, 0, 127, 128));
  expect(node.number('location')).toBe(-1);
});

test('a rule is a list of one query, a function body a list of a list', () => {
  expect(parseQueryTree('({QUERY :commandType 1})').number('commandType')).toBe(1);
  expect(parseQueryTree('(({QUERY :commandType 1}))').number('commandType')).toBe(1);
});
