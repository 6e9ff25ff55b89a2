import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Component, lastLogLines, startComponent } from './component.ts';
import { startWatchdog } from './watchdog.ts';

/** Processes that share a temporary folder. They end together, at the latest with this process. */
export interface ProcessGroup {
  readonly folder: string;
  /** The running processes in the order of their start. */
  readonly components: readonly Component[];
  readonly start: (name: string, binary: string, args: readonly string[]) => Promise<Component>;
  /** Resolves if a component ends before `stop`, with its name, how it ended and the last lines of its log. */
  readonly failed: Promise<string>;
  /** Ends the processes in reverse order of their start and removes the folder. Safe to call again. */
  readonly stop: () => Promise<void>;
}

export async function createProcessGroup(): Promise<ProcessGroup> {
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-'));
  const watchdog = startWatchdog(folder);
  const components: Component[] = [];
  const failure = Promise.withResolvers<string>();
  let stopped: Promise<void> | undefined;

  const watch = () => watchdog.watch(components.filter(({ hasEnded }) => !hasEnded()).map(({ pid }) => pid));
  const onEnd = async (component: Component, how: string) => {
    watch();
    if (stopped !== undefined) return;
    failure.resolve(`${component.name} ended (${how}); the last lines of its log:\n${await lastLogLines(component)}`);
  };
  const stop = async () => {
    // One after the other: the API server stops slowly if etcd has stopped before it.
    for (const component of components.toReversed()) await component.stop();
    await watchdog.end();
    // The watchdog normally removes the folder. Remove it here too, in case the watchdog was killed first.
    await rm(folder, { recursive: true, force: true });
  };
  return {
    folder,
    components,
    start: async (name, binary, args) => {
      const component = await startComponent(name, [binary, ...args], folder);
      components.push(component);
      watch();
      void component.ended.then((how) => onEnd(component, how));
      return component;
    },
    failed: failure.promise,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}
