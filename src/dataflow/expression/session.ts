/** The settings that a view captures at CREATE and its expressions run under. Native code knows UTC and ISO; anything else is the fallback's. */
export interface SessionSettings {
  readonly timeZone: string;
  /** `ISO, MDY` when absent. */
  readonly dateStyle?: string;
  /** `postgres` when absent. */
  readonly intervalStyle?: string;
}

export const UTC_SESSION: SessionSettings = { timeZone: 'UTC' };

export function isUtc(timeZone: string): boolean {
  return /^(UTC|Etc\/UTC|GMT|Etc\/GMT|Zulu|UCT|Etc\/UCT)$/i.test(timeZone);
}

/** Do dates and times print as they lie on the wire? */
export function printsIso({ dateStyle = 'ISO', intervalStyle = 'postgres' }: SessionSettings): boolean {
  return /^ISO/i.test(dateStyle) && intervalStyle.toLowerCase() === 'postgres';
}
