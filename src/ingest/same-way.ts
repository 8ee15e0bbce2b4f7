/** Whether two sets of parameters lead to the same server as the same user: then what streams may go on, with the new password for the next connect. Pure. */
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';

export function sameWay(one: ConnectionParameters, other: ConnectionParameters): boolean {
  const way = (parameters: ConnectionParameters): string => JSON.stringify({ ...parameters, password: undefined });
  return way(one) === way(other);
}
