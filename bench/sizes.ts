import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesIn } from '../test/support/bytes-in.ts';
import { openImage } from '../tools/image/container.ts';
import { buildDaemonImage } from '../tools/image/images.ts';
import { checkMachine } from '../tools/node/packages.ts';
import type { SizeResults } from './results.ts';
import type { Stage } from './stage.ts';

/** Returns the sizes of the bundle, of the peers and, if this machine can build it, of the image. */
export async function measureSizes({ programs, progress }: Stage): Promise<SizeResults> {
  const { bundleBytes, compiledBytes, peers } = programs;
  const sizes = { bundleBytes, compiledBytes, peerBytes: peers.bytes };
  try {
    await checkMachine();
  } catch (error) {
    progress(`skipping the size of the image: ${error instanceof Error ? error.message : error}`);
    return sizes;
  }
  return { ...sizes, image: await measureImage(progress) };
}

async function measureImage(progress: Stage['progress']): Promise<NonNullable<SizeResults['image']>> {
  const { name, archive } = await buildDaemonImage(progress);
  const image = await openImage(name);
  try {
    return { addedBytes: await bytesIn(join(image.root, 'app')), packedBytes: (await stat(archive)).size };
  } finally {
    await image.close();
  }
}
