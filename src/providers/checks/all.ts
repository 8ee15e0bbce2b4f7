/** Every check, in the order a person would ask: do we get in, is the server able, is it set, may we, is there room, is it published, will it last. */
import type { Observation } from '../model.ts';
import { capacity } from './capacity.ts';
import type { Check, Subject } from './check.ts';
import { decoding } from './decoding.ts';
import { failover } from './failover.ts';
import { identity } from './identity.ts';
import { publication } from './publication.ts';
import { reach } from './reach.ts';
import { retention } from './retention.ts';
import { rights } from './rights.ts';
import { server } from './server.ts';
import { tables } from './tables.ts';

const ALL: readonly Check[] = [reach, server, decoding, rights, capacity, identity, publication, retention, failover, tables];

export function runChecks(subject: Subject): Observation[] {
  return ALL.flatMap((check) => [...check(subject)]);
}
