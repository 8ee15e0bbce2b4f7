/**
 * A real Postgres dressed as a provider's, and the handles that its fake control API pulls: settings that wait for a restart, the restart, the firewall.
 * `dressed/<provider>.ts` make one; `fakes/<provider>.ts` take one.
 */
import type { ProviderId } from '../../../src/providers/model.ts';

export interface DressedServer {
  readonly provider: ProviderId;
  readonly major: number;
  readonly versionNum: number;
  /** What customers connect to: the gate in front of the server. Stays the same over restarts. */
  readonly host: string;
  readonly port: number;
  /** The customer's administrator (postgres, doadmin …), never a visible superuser. */
  readonly admin: { readonly user: string; readonly password: string };
  readonly database: string;
  /** A URL through the gate; the administrator's unless another user is given. */
  url(user?: string, password?: string): string;
  /** Runs SQL as the hidden superuser, past the gate. */
  superuser(sql: string): Promise<Record<string, unknown>[]>;
  /** Values as Postgres takes them; undefined takes a setting away. Effective at the next restart. */
  configure(settings: Readonly<Record<string, string | undefined>>): void;
  /** What is configured for the next start. */
  readonly configured: Readonly<Record<string, string>>;
  /** A true restart. Resolves when the server accepts connections again. */
  restart(): Promise<void>;
  /** The firewall. */
  readonly gate: Gate;
  stop(): Promise<void>;
}

/** A TCP proxy that stays silent (a time-out for the client, as security groups do) for addresses that it does not admit. Loopback tests choose the address that the client seems to have. */
export interface Gate {
  /** CIDRs, or everybody. */
  admit(sources: readonly string[] | 'everybody'): void;
  readonly admitted: readonly string[] | 'everybody';
  /** The address from which clients on this machine seem to come; as the "Internet" sees them: 203.0.113.7 unless set. */
  clientAddress: string;
}
