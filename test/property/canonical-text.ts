/** Equal values, one text: how two answers are compared where a group may show either representative (1.0 or 1.00). By type OID; text identity elsewhere. */

export function canonicalOf(oid: number): { canonical?: (text: string) => string } {
  switch (oid) {
    case 1700:
      return { canonical: numeric };
    case 700:
    case 701:
      return { canonical: (text) => (text === '-0' ? '0' : text) };
    case 1042:
      return { canonical: (text) => text.replace(/ +$/, '') };
    case 1186:
      return { canonical: interval };
    case 3802:
      return { canonical: (text) => text.replace(/-?\d+\.\d+/g, numeric) };
    default:
      return {};
  }
}

function numeric(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '').replace(/^-0$/, '0') : text;
}

/** 30 days a month, 24 hours a day. */
function interval(text: string): string {
  let micros = 0;
  for (const [, amount, unit] of text.matchAll(/(-?\d+) (year|mon|day)s?/g))
    micros += Number(amount) * { year: 360, mon: 30, day: 1 }[unit as 'year' | 'mon' | 'day'] * 86_400e6;
  const time = /(-?)(\d+):(\d+):(\d+(?:\.\d+)?)/.exec(text);
  if (time !== null)
    micros += (time[1] === '-' ? -1 : 1) * Math.round((Number(time[2]) * 3600 + Number(time[3]) * 60 + Number(time[4])) * 1e6);
  return String(micros);
}
