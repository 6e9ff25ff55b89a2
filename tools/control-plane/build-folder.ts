import { mkdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const BEAT_MS = 2_000;
const ABANDONED_MS = 20_000; // ten times the interval at which a running owner touches the folder
const ASK_AGAIN_MS = 1_000;
/**
 * Number of checks in a row in which a folder must look abandoned. After a pause of the whole machine each folder does,
 * until its owner touches it again.
 */
const ABANDONED_CHECKS = 3;

export interface BuildFolderOptions {
  /** Called each second while another process owns the folder. */
  readonly onWait: (waitedSeconds: number) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs `work` in an empty folder below `parent` that one process at a time can own, and removes the folder afterwards.
 * The folder is the lock: mkdir is atomic, and the owner touches the folder while it runs. This also works between
 * containers that share a cache, in which process ids are not comparable.
 *
 * If two processes find the same abandoned folder at the same moment, their builds can fail. No incomplete binary
 * remains, because a binary is renamed into place after it is complete. The next run builds again.
 */
export async function inBuildFolder(
  parent: string,
  { onWait, signal }: BuildFolderOptions,
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = join(parent, 'building');
  await mkdir(parent, { recursive: true });
  let abandoned = 0;
  for (let waited = 0; !(await isClaimed(folder)); waited += ASK_AGAIN_MS) {
    abandoned = (await isUntouched(folder)) ? abandoned + 1 : 0;
    if (abandoned === ABANDONED_CHECKS) await removeAbandoned(folder);
    onWait(waited / 1000);
    await sleep(ASK_AGAIN_MS, undefined, signal && { signal });
  }
  const beat = setInterval(() => void utimes(folder, new Date(), new Date()).catch(() => {}), BEAT_MS);
  try {
    await work(folder);
  } finally {
    clearInterval(beat);
    await rm(folder, { recursive: true, force: true });
  }
}

async function isClaimed(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** The folder is missing if its owner has finished, or if another waiting process has removed it as abandoned. */
async function isUntouched(folder: string): Promise<boolean> {
  const found = await unlessMissing(stat(folder));
  return found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS;
}

async function removeAbandoned(folder: string): Promise<void> {
  const grave = `${folder}-abandoned-${process.pid}`;
  await unlessMissing(rename(folder, grave));
  await rm(grave, { recursive: true, force: true });
}

async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
