/**
 * Returns a signal that the first SIGINT or SIGTERM aborts. A second signal of the same kind ends the process at once.
 */
export function firstSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => controller.abort());
  return controller.signal;
}
