import { readdirSync, readFileSync } from 'node:fs';

export interface Memory {
  readonly rssMib: number;
  /** The highest resident memory (RSS) since the start of the process, in MiB. */
  readonly peakMib: number;
}

/** Clock ticks per second in `/proc/PID/stat` (USER_HZ). Linux uses 100 on x86-64 and arm64. */
const TICKS_PER_SECOND = 100;

/** Returns the CPU seconds of a process and its threads so far, user and system time together. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The process name in `/proc/PID/stat` is in parentheses and can contain blanks. So the line is split only after the
  // last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { rssMib: mib('VmRSS'), peakMib: mib('VmHWM') };
}

/** Returns the process whose command line has this argument. */
export function pidOf(argument: string): number {
  const has = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(argument);
    } catch {
      // The process has ended since the folder was read.
      return false;
    }
  };
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && has(name));
  if (pid === undefined) throw new Error(`no process has the argument ${argument}`);
  return Number(pid);
}
