import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Returns the arguments that a shell passes to each command of a text, for example kubectl. */
export async function pasted(line: string): Promise<readonly string[][]> {
  const tell =
    'tell() { printf "%s\\0" "$@"; printf "\\0"; }; kubectl() { tell kubectl "$@"; }; terraform-daemon() { tell "$@"; }';
  const { stdout } = await promisify(execFile)('bash', ['-c', `${tell}\n${line}\n`]);
  return stdout
    .split('\0\0')
    .filter((call) => call !== '')
    .map((call) => call.split('\0'));
}
