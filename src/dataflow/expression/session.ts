/** The settings that a view captures at CREATE and its expressions run under (DESIGN 3.1). Native code knows UTC; any other zone is the fallback's. */
export interface SessionSettings {
  readonly timeZone: string;
}

export const UTC_SESSION: SessionSettings = { timeZone: 'UTC' };

export function isUtc(timeZone: string): boolean {
  return /^(UTC|Etc\/UTC|GMT|Etc\/GMT|Zulu|UCT|Etc\/UCT)$/i.test(timeZone);
}
