import type { SizeResults } from './results.ts';
import type { Stage } from './stage.ts';

/** Bytes of what is shipped. */
export async function measureSizes({ programs }: Stage): Promise<SizeResults> {
  const { bundleBytes, compiledBytes, goBytes } = programs;
  return { bundleBytes, compiledBytes, goBytes };
}
