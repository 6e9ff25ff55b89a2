import { readFileSync } from 'node:fs';

export interface Memory {
  readonly rssMib: number;
  /** The most that it has ever been. */
  readonly peakMib: number;
}

/** Clock ticks of `/proc/PID/stat`: 100 a second on every platform that Linux has today. */
const TICKS_PER_SECOND = 100;

/** The seconds that a process and its threads have computed so far, in its own code and in the kernel's. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name in brackets, which may have blanks in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { rssMib: mib('VmRSS'), peakMib: mib('VmHWM') };
}
