/** Powers of ten as doubles, looked up: `**` is 20 times as dear. */

/** 10^n is an exact double up to here, so that a quotient or a product of a double by it is rounded once. */
export const EXACT_POWER_MAX = 22;

export const POWERS_OF_TEN: readonly number[] = Array.from({ length: EXACT_POWER_MAX + 1 }, (_, n) => 10 ** n);
