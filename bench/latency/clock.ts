/** One clock for all threads of the process: milliseconds since 1970 with a fraction. */
export function clockMs(): number {
  return performance.timeOrigin + performance.now();
}
