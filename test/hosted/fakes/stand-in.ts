/** A server without a Postgres, for suites that are about the control plane alone: it remembers what it was told, and a restart takes a moment. */
import type { Controlled } from './control-plane.ts';
import type { Gate } from '../dressed/server.ts';

export interface StandIn extends Controlled {
  readonly live: Record<string, string>;
  restarts: number;
}

export function standIn(settings: Readonly<Record<string, string>> = {}, restartMs = 20): StandIn {
  const configured: Record<string, string> = { wal_level: 'replica', ...settings };
  const live = { ...configured };
  let admitted: Gate['admitted'] = [];
  return {
    host: '127.0.0.1',
    port: 5432,
    major: 16,
    database: 'app',
    admin: { user: 'postgres', password: 'example' },
    live,
    restarts: 0,
    configured,
    configure(changes) {
      for (const [name, value] of Object.entries(changes)) {
        if (value === undefined) delete configured[name];
        else configured[name] = value;
      }
    },
    async restart() {
      await new Promise((resolve) => setTimeout(resolve, restartMs));
      for (const name of Object.keys(live)) delete live[name];
      Object.assign(live, configured);
      this.restarts++;
    },
    superuser: () => Promise.resolve([]),
    gate: {
      clientAddress: '203.0.113.7',
      get admitted() {
        return admitted;
      },
      admit(sources) {
        admitted = sources;
      },
    },
  };
}
