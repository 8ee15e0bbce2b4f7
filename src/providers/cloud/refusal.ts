/** What a control plane's last word means, in the four ways that all of them have of saying no. Used by each cloud's `calls.ts`, which knows its own codes. */
import { millraceError, type MillraceError } from '../../base/errors.ts';

export interface Refusal {
  readonly kind: 'credentials' | 'denied' | 'absent' | 'other';
  readonly operation: string;
  readonly resource: string;
  readonly reason: string;
  readonly cause: unknown;
}

/** How one logs in to a cloud, which right an operation needs there, and where one looks for the name of a database. */
export interface Advice {
  readonly cloud: string;
  readonly login: string;
  readonly lookUp: string;
  right(operation: string): string;
}

export function refusal({ kind, operation, resource, reason, cause }: Refusal, advice: Advice): MillraceError {
  switch (kind) {
    case 'credentials':
      return millraceError('CLOUD_CREDENTIALS', { cloud: advice.cloud, reason, mend: advice.login }, cause);
    case 'denied':
      return millraceError('CLOUD_DENIED', { operation, resource, reason, right: advice.right(operation) }, cause);
    case 'absent':
      return millraceError('CLOUD_NOT_FOUND', { resource, reason, mend: advice.lookUp }, cause);
    case 'other':
      return millraceError('CLOUD_REFUSED', { operation, resource, reason }, cause);
  }
}
