/** Addresses and ranges, IPv4 and IPv6: whether one covers another. Used to see that a firewall lets an address in already. */
import { BlockList, isIP } from 'node:net';

export interface Range {
  readonly family: 'ipv4' | 'ipv6';
  readonly address: string;
  readonly bits: number;
}

/** `203.0.113.7`, `203.0.113.0/24`, `2001:db8::/32`; undefined: no address. */
export function parseRange(text: string): Range | undefined {
  const [address = '', suffix] = text.split('/');
  const version = isIP(address);
  if (version === 0 || (suffix !== undefined && !/^\d{1,3}$/.test(suffix))) return undefined;
  const width = version === 4 ? 32 : 128;
  const bits = suffix === undefined ? width : Number(suffix);
  return bits > width ? undefined : { family: version === 4 ? 'ipv4' : 'ipv6', address, bits };
}

/** With its length, as the clouds want it. */
export function cidr(range: Range): string {
  return `${range.address}/${range.bits}`;
}

/** First and last address of an IPv4 range. */
export function bounds(range: Range): { first: string; last: string } {
  const number = range.address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - range.bits);
  const first = Math.floor(number / size) * size;
  return { first: dotted(first), last: dotted(first + size - 1) };
}

function dotted(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}

/** Whether `outer` (CIDR, one address, or `first-last`) holds all of `inner`. Something that is no address covers nothing. */
export function covers(outer: string, inner: string): boolean {
  const wanted = parseRange(inner);
  if (wanted === undefined) return false;
  const list = new BlockList();
  const [first = '', last] = outer.split('-');
  if (last !== undefined && isIP(first) === 4 && isIP(last) === 4) {
    list.addRange(first, last, 'ipv4');
    if (wanted.family !== 'ipv4') return false;
    const inside = bounds(wanted);
    return list.check(inside.first, 'ipv4') && list.check(inside.last, 'ipv4');
  }
  const range = parseRange(outer);
  if (range === undefined || range.family !== wanted.family || range.bits > wanted.bits) return false;
  list.addSubnet(range.address, range.bits, range.family);
  return list.check(wanted.address, wanted.family);
}
