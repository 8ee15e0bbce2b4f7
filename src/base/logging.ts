/** The one logger (pino, JSON lines on stderr). Secrets are never logged: connection strings are logged by host only. */
import pino from 'pino';

export type Logger = pino.Logger;

export function createLogger(level: string = process.env['MILLRACE_LOG'] ?? 'warn'): Logger {
  return pino({ level, base: null }, pino.destination({ fd: 2, sync: true }));
}
