/** The thread's own time, in ms, where it can be had (Node 24): on a busy machine the clock runs on while nobody works. Called by slices and by reads in place. */
export function threadMs(): number {
  if (typeof process.threadCpuUsage !== 'function') return performance.now();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
