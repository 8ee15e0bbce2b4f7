/**
 * The one logger (pino, on stderr): lines for people, or JSON with MILLRACE_LOG_FORMAT=json. Secrets are never logged: connection strings are logged by host only.
 * At the default level it tells changes of state and failures; how long things took is for MILLRACE_LOG=debug.
 */
import pino from 'pino';

export type Logger = pino.Logger;

export function createLogger(level: string = process.env['MILLRACE_LOG'] ?? 'info'): Logger {
  const stderr = pino.destination({ fd: 2, sync: true });
  const isJson = process.env['MILLRACE_LOG_FORMAT'] === 'json';
  return pino({ level, base: null }, isJson ? stderr : { write: (line: string) => void stderr.write(readable(line)) });
}

/** pino's JSON as a line to read: `2026-11-30T14:11:53.042Z WARN source "s" is lost: …  key=value`. */
export function readable(line: string): string {
  const { level, time, msg = '', ...more } = JSON.parse(line) as { level: number; time: number; msg?: string } & Record<string, unknown>;
  const word = (pino.levels.labels[level] ?? String(level)).toUpperCase();
  const rest = Object.entries(more).map(([name, value]) => `  ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${new Date(time).toISOString()} ${word} ${msg}${rest.join('')}\n`;
}
