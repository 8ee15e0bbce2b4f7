/** uuid: 4 big-endian words. In JavaScript its canonical text, whose string order is the byte order of the type. */
function nibble(byte: number): number {
  return byte <= 57 ? byte - 48 : (byte | 32) - 87;
}

/** `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`, as Postgres prints it. */
export function decodeUuid(bytes: Uint8Array, start: number, _end: number, words: Int32Array, at: number): void {
  let index = start;
  for (let word = 0; word < 4; word++) {
    let value = 0;
    for (let count = 0; count < 8;) {
      const byte = bytes[index++]!;
      if (byte === 45) continue;
      value = (value << 4) | nibble(byte);
      count++;
    }
    words[at + word] = value;
  }
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');

export function readUuid(words: Int32Array, at: number): string {
  const b = hex(words[at + 1]!);
  const c = hex(words[at + 2]!);
  return `${hex(words[at]!)}-${b.slice(0, 4)}-${b.slice(4)}-${c.slice(0, 4)}-${c.slice(4)}${hex(words[at + 3]!)}`;
}

export function writeUuid(text: string, words: Int32Array, at: number): void {
  const digits = text.replaceAll('-', '');
  for (let word = 0; word < 4; word++) words[at + word] = Number.parseInt(digits.slice(word * 8, word * 8 + 8), 16) | 0;
}

export function compareUuid(wordsA: Int32Array, a: number, wordsB: Int32Array, b: number): number {
  for (let word = 0; word < 4; word++) {
    const left = wordsA[a + word]! >>> 0;
    const right = wordsB[b + word]! >>> 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
